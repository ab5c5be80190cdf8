"""Child processes that end with the command, together with everything that they started.

Each child leads a session of its own. Airflow's tasks and Spark's Python workers form process
groups of their own but stay in the session, so all processes are found by session.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from feature_store.lake.private_files import close_folder, make_private

Children = Mapping[str, subprocess.Popen[bytes]]

_TERMINATED_WITHIN_S = 15.0


@contextmanager
def running_children(
    modules: Mapping[str, Sequence[str]], logs: Mapping[str, Path]
) -> Iterator[Children]:
    """Start each module with its arguments as a child; at the end stop all processes.

    Args:
        modules: Python module and arguments of each child, by the child's name.
        logs: file that each child appends its output to, by the child's name.
    """
    children: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, arguments in modules.items():
            close_folder(logs[name].parent)
            make_private(logs[name])
            with logs[name].open("ab") as log:
                children[name] = subprocess.Popen(
                    # If this process is killed, the kernel sends SIGTERM to the child.
                    ["setpriv", "--pdeathsig", "TERM", sys.executable, "-m", *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        yield children
    finally:
        _stop_sessions({child.pid for child in children.values()})
        for child in children.values():
            child.wait()


def _stop_sessions(sessions: set[int]) -> None:
    """Send SIGTERM to the session leaders, and after 15 s SIGKILL to every process left."""
    deadline = time.monotonic() + _TERMINATED_WITHIN_S
    for leader in sessions:
        _send_signal(leader, signal.SIGTERM)
    while (remaining := _processes_of(sessions)) and time.monotonic() < deadline:
        time.sleep(0.2)
    while remaining:
        for process in remaining:
            _send_signal(process, signal.SIGKILL)
        time.sleep(0.1)
        remaining = _processes_of(sessions)


def _processes_of(sessions: set[int]) -> list[int]:
    """Return the running processes of these sessions, without zombies."""
    import psutil

    found = []
    for process in psutil.process_iter(["status"]):
        try:
            if os.getsid(process.pid) in sessions and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (ProcessLookupError, psutil.NoSuchProcess, PermissionError):
            continue  # the process ended meanwhile or belongs to another user
    return found


def _send_signal(process: int, number: signal.Signals) -> None:
    try:
        os.kill(process, number)
    except ProcessLookupError:
        return  # the process has ended already
