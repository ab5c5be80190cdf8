"""Windows of a night in which tests and benchmarks kill its process group with SIGKILL."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass

from feature_store.lake.delta_tables import table_uri
from feature_store.lake.storage import open_storage
from feature_store.tables.runs import PUBLISHED_RUNS

POLL_S = 0.002


class NotKilled(RuntimeError):
    """The process ended before the kill."""


@dataclass(frozen=True, slots=True)
class Window:
    """A moment of a night at which the kill comes.

    Attributes:
        task: task whose start opens the window; empty for the start of the process.
        delay_s: seconds from the opening of the window to the kill.
        waits_for_commit: whether a new file of published_runs opens the window after the task's start.
    """

    name: str
    task: str
    delay_s: float
    waits_for_commit: bool = False


STAGED = Window("between staging and read-back", "published_runs", 0.5)
WINDOWS = (
    Window("start-up", "", 3.0),
    Window("ingest", "raw_listens", 0.6),
    Window("core", "core_listens", 0.8),
    Window("features", "feat_audio", 1.0),
    Window("graph", "graph_nodes", 0.6),
    Window("training", "ranking", 2.0),
    Window("scoring", "score_candidates", 0.3),
    Window("recommendations", "rec_topk", 1.0),
    STAGED,
    Window("around the switch's commit", "published_runs", 0.0, waits_for_commit=True),
)


def kill_in_window(
    window: Window, night: subprocess.Popen[str], lake: str, *, delay_factor: float = 1.0
) -> None:
    """SIGKILL the night's process group `delay_factor` x `window.delay_s` after the window opens.

    Raises:
        NotKilled: the night ended before the kill.
    """
    _wait_for_task(window.task, night)
    if window.waits_for_commit:
        _wait_for_commit(lake, night)
    kill_after(window.delay_s * delay_factor, night, window.name)


def kill_after(delay_s: float, process: subprocess.Popen[str], name: str) -> None:
    """SIGKILL the process group after a delay.

    Raises:
        NotKilled: the process ended before the kill.
    """
    time.sleep(delay_s)
    if process.poll() is not None:
        raise NotKilled(f"{name}: it had ended before the kill")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def _wait_for_task(task: str, night: subprocess.Popen[str]) -> None:
    if not task:
        return
    lines = []
    assert night.stderr is not None
    for line in night.stderr:
        lines.append(line)
        if line.strip() == f"· {task}":
            return
    raise NotKilled(f"{task}: the night ended before it: {''.join(lines[-20:])}")


def _wait_for_commit(lake: str, night: subprocess.Popen[str]) -> None:
    """Wait for a new file of published_runs; Delta writes the rows' file before the commit's."""
    storage = open_storage(lake)
    folder = table_uri(lake, PUBLISHED_RUNS).removeprefix(storage.uri("")).strip("/")
    before = sum(1 for _ in storage.list(folder))
    while sum(1 for _ in storage.list(folder)) == before and night.poll() is None:
        time.sleep(POLL_S)
