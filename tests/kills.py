"""Nights as processes of their own, and the windows in which they are killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from feature_store.delta_tables import table_uri
from feature_store.snapshot import events, open_snapshot
from feature_store.storage import open_storage
from feature_store.tables.runs import PUBLISHED_RUNS
from tests.nights import LISTS

EVENSONG = Path(sys.executable).with_name("evensong")
POLL_S = 0.002


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
    """`evensong night --json` as the leader of a process group; its progress is on standard error."""
    return subprocess.Popen(
        [EVENSONG, "night", "--as-of", f"{as_of}", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ
        | LISTS
        | {"EVENSONG_LAKE": lake, "EVENSONG_STATE": str(state), "PYTHONUNBUFFERED": "1"}
        | (variables or {}),
    )


def finished(night: subprocess.Popen[str]) -> dict[str, Any]:
    """What the night recorded about itself; waits for its end.

    Raises:
        RuntimeError: it failed.
    """
    out, errors = night.communicate(timeout=3600)
    if night.returncode != 0:
        raise RuntimeError(f"the night ended with status {night.returncode}: {errors[-3000:]}")
    recorded: dict[str, Any] = json.loads(out.splitlines()[-1])
    return recorded


def kill_in(
    window: Window, night: subprocess.Popen[str], lake: str, *, stretch: float = 1.0
) -> None:
    """SIGKILL the night's whole process group in a window, `stretch` times its seconds after it opened.

    Raises:
        NotKilled: the night was over by then.
    """
    said = _read_until(window.task, night)
    if window.sees_a_commit:
        _wait_for_a_commit(lake, night)
    time.sleep(window.seconds_more * stretch)
    if night.poll() is not None:
        raise NotKilled(f"{window.name}: the night ended before: {''.join(said[-20:])}")
    os.killpg(night.pid, signal.SIGKILL)
    night.communicate()


def hashes_readers_see(lake: str) -> dict[str, str]:
    """Content hash of every published table, as the current event pinned it."""
    return {pin.table_name: pin.content_sha256 for pin in open_snapshot(lake).event.tables}


def actions(lake: str) -> list[str]:
    """What happened in published_runs, oldest first."""
    return [event.action for event in events(lake)]


def _read_until(task: str, night: subprocess.Popen[str]) -> list[str]:
    if not task:
        return []
    said = []
    assert night.stderr is not None
    for line in night.stderr:
        said.append(line)
        if line.strip() == f"· {task}":
            return said
    raise NotKilled(f"{task}: the night ended before it: {''.join(said[-20:])}")


def _wait_for_a_commit(lake: str, night: subprocess.Popen[str]) -> None:
    """Until published_runs has a file more: its rows' first, then the commit itself."""
    storage = open_storage(lake)
    folder = table_uri(lake, PUBLISHED_RUNS).removeprefix(storage.uri("")).strip("/")
    before = sum(1 for _ in storage.list(folder))
    while sum(1 for _ in storage.list(folder)) == before and night.poll() is None:
        time.sleep(POLL_S)
