"""Peak memory of Spark's Python workers, each with the decoder that it started (Linux: /proc)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

WORKER = (
    "-m feature_store.spark.python_daemon"  # Java's command line has the name, too, as an option
)
DECODERS = ("jobs.encoders.decoder_table", "jobs.landing.parquet_check")
INTERVAL_S = 0.2


class WorkerPeak:
    """The largest peak so far, in MiB."""

    def __init__(self) -> None:
        self.mib = 0.0

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look at all workers of this process again and again."""
        done = Event()
        thread = Thread(target=self._watch, args=(done,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _watch(self, done: Event) -> None:
        while not done.wait(INTERVAL_S):
            self.mib = max(self.mib, largest_mib(os.getpid()))


def largest_mib(root: int) -> float:
    """Peak of the largest worker below a process, together with the peak of its decoder."""
    parents = {process: _parent(process) for process in _processes()}
    below = {root}
    while added := {one for one, parent in parents.items() if parent in below} - below:
        below |= added
    commands = {process: _command(process) for process in below}
    peaks = {process: _peak_mib(process) for process in below if WORKER in commands[process]}
    for process in below:
        if any(name in commands[process] for name in DECODERS) and parents[process] in peaks:
            peaks[parents[process]] += _peak_mib(process)
    return max(peaks.values(), default=0.0)


def _processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _parent(process: int) -> int:
    after_name = _read(process, "stat").rpartition(")")[2].split()  # state, parent, ...
    return int(after_name[1]) if after_name else 0


def _command(process: int) -> str:
    return _read(process, "cmdline").replace("\0", " ")


def _peak_mib(process: int) -> float:
    lines = [line for line in _read(process, "status").splitlines() if line.startswith("VmHWM")]
    return int(lines[0].split()[1]) / 1024 if lines else 0.0


def _read(process: int, name: str) -> str:
    """A file of /proc; that of a process that has ended is empty."""
    try:
        return Path(f"/proc/{process}/{name}").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
