"""Nights as processes of their own, and the windows in which they are killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from feature_store.lake.arrow_io import content_sha256, read_table
from feature_store.lake.delta_tables import TableMissing, table_uri
from feature_store.lake.storage import open_storage
from feature_store.publishing.snapshot import events, open_snapshot
from feature_store.tables import TABLES, runs
from feature_store.tables.runs import PUBLISHED_RUNS
from tests.support.nights import LISTS
from tests.support.processes import ENDS_WITH_US

EVENSONG = Path(sys.executable).with_name("evensong")
POLL_S = 0.002
_MAINTAIN = """
from datetime import UTC, datetime
from feature_store.runs.maintenance import compact_files, expire_slices, vacuum_files
from feature_store.settings import load_settings
from jobs.landing.expiry import expire_landing
print("began", flush=True)
settings, now = load_settings(), datetime.now(UTC)
for step in (expire_landing, expire_slices, compact_files):
    step(settings, now)
vacuum_files(settings, now, unpublished_hours=0)
"""


class NotKilled(RuntimeError):
    """The night ended before its window was reached."""


@dataclass(frozen=True, slots=True)
class Window:
    """When a night dies.

    Attributes:
        task: task whose start opens the window; empty for the start of the process.
        seconds_more: how long after that the kill comes.
        sees_a_commit: wait for a new file of published_runs instead.
    """

    name: str
    task: str
    seconds_more: float
    sees_a_commit: bool = False


WINDOWS = (
    Window("start-up", "", 3.0),
    Window("ingest", "raw_listens", 0.6),
    Window("core", "core_listens", 0.8),
    Window("features", "feat_audio", 1.0),
    Window("graph", "graph_nodes", 0.6),
    Window("training", "mm_gnn", 2.0),
    Window("scoring", "score_candidates", 0.3),
    Window("recommendations", "rec_topk", 1.0),
    Window("between staging and read-back", "published_runs", 0.5),
    Window("around the switch's commit", "published_runs", 0.0, sees_a_commit=True),
)


def start_night(
    lake: str, state: Path, as_of: date, variables: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """`evensong night --json`; its progress is on standard error."""
    night = (str(EVENSONG), "night", "--as-of", f"{as_of}", "--json")
    return start(night, lake, state, variables)


def start_erasure(
    lake: str, state: Path, *arguments: str, variables: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """`evensong erase`; the first line of its output is the request's id."""
    return start((str(EVENSONG), "erase", *arguments), lake, state, variables)


def start_maintenance(lake: str, state: Path) -> subprocess.Popen[str]:
    """Every step of the maintenance, so eager that each has something to do."""
    eager = {"EVENSONG_MAINTENANCE__MAX_FILES": "2"}
    return start((sys.executable, "-c", _MAINTAIN), lake, state, eager)


@contextmanager
def kept_java(folder: Path, lake: str) -> Iterator[dict[str, str]]:
    """Variables with which commands share one Java, as the tasks of `evensong up` do.

    Args:
        folder: for its state.
        lake: any address in the store that the commands will use.
    """
    file = folder / "gateway.json"
    file.unlink(missing_ok=True)
    shared = {"EVENSONG_SPARK__GATEWAY": str(file)}
    command = (*ENDS_WITH_US, sys.executable, "-m", "feature_store.spark.gateway")
    keeper = start(command, lake, folder, shared)
    try:
        while not file.exists():
            if keeper.poll() is not None:
                said(keeper)
            time.sleep(0.1)
        yield shared
    finally:
        os.killpg(keeper.pid, signal.SIGTERM)
        keeper.communicate()


def start(
    command: Sequence[str], lake: str, state: Path, variables: Mapping[str, str] | None
) -> subprocess.Popen[str]:
    """A command over a lake as the leader of a process group."""
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ
        | LISTS
        | {"EVENSONG_LAKE": lake, "EVENSONG_STATE": str(state), "PYTHONUNBUFFERED": "1"}
        | {"EVENSONG_PRIVACY__READER_GRACE_S": "10"}
        | (variables or {}),
    )


def finished(night: subprocess.Popen[str]) -> dict[str, Any]:
    """What the night recorded about itself; waits for its end.

    Raises:
        RuntimeError: it failed.
    """
    recorded: dict[str, Any] = json.loads(said(night).splitlines()[-1])
    return recorded


def said(command: subprocess.Popen[str]) -> str:
    """What the command printed on standard output; waits for its end.

    Raises:
        RuntimeError: it failed.
    """
    out, errors = command.communicate(timeout=3600)
    if command.returncode != 0:
        raise RuntimeError(f"{command.args} ended with {command.returncode}: {errors[-3000:]}")
    return out


def kill_in(
    window: Window, night: subprocess.Popen[str], lake: str, *, stretch: float = 1.0
) -> None:
    """SIGKILL the night's whole process group in a window, `stretch` times its seconds after it opened.

    Raises:
        NotKilled: the night was over by then.
    """
    _read_until(window.task, night)
    if window.sees_a_commit:
        _wait_for_a_commit(lake, night)
    kill_after(window.seconds_more * stretch, night, window.name)


def kill_after(seconds: float, command: subprocess.Popen[str], what: str) -> None:
    """SIGKILL the whole process group after some seconds.

    Raises:
        NotKilled: it was over by then.
    """
    time.sleep(seconds)
    if command.poll() is not None:
        raise NotKilled(f"{what}: it had ended before the kill")
    os.killpg(command.pid, signal.SIGKILL)
    command.communicate()


def contents(lake: str, as_of: date) -> dict[str, dict[str, Any]]:
    """Rows and content hash of every table of the lake, as a reader of that date finds them.

    What a run records of itself holds the rows that it wrote. After a kill that is less: content
    that was encoded before it is not encoded again.
    """
    found = {}
    for table in TABLES.values():
        if table in runs.TABLES:
            continue
        with suppress(TableMissing):
            rows = read_table(lake, table, as_of=as_of)
            found[table.name] = {
                "rows": rows.num_rows,
                "content_sha256": content_sha256(table, rows),
            }
    return found


def publications(lake: str) -> list[tuple[str, str]]:
    """Day and action of what readers got, oldest first; staged tries of killed nights left out."""
    shown = {"publish", "rollback", "erase"}
    return [(f"{event.as_of}", event.action) for event in events(lake) if event.action in shown]


def hashes_readers_see(lake: str) -> dict[str, str]:
    """Content hash of every published table, as the current event pinned it."""
    return {pin.table_name: pin.content_sha256 for pin in open_snapshot(lake).event.tables}


def actions(lake: str) -> list[str]:
    """What happened in published_runs, oldest first."""
    return [event.action for event in events(lake)]


def _read_until(task: str, night: subprocess.Popen[str]) -> None:
    if not task:
        return
    lines = []
    assert night.stderr is not None
    for line in night.stderr:
        lines.append(line)
        if line.strip() == f"· {task}":
            return
    raise NotKilled(f"{task}: the night ended before it: {''.join(lines[-20:])}")


def _wait_for_a_commit(lake: str, night: subprocess.Popen[str]) -> None:
    """Until published_runs has a file more: its rows' first, then the commit itself."""
    storage = open_storage(lake)
    folder = table_uri(lake, PUBLISHED_RUNS).removeprefix(storage.uri("")).strip("/")
    before = sum(1 for _ in storage.list(folder))
    while sum(1 for _ in storage.list(folder)) == before and night.poll() is None:
        time.sleep(POLL_S)
