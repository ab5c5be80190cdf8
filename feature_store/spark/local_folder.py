"""Folders for what Spark spills to disk: one for each process that starts Java.

A killed process leaves its folder, with rows of people in it. Each process holds a lock on its own
folder, so that others can tell an abandoned one.
"""

from __future__ import annotations

import shutil
import uuid
from functools import cache
from pathlib import Path

from filelock import FileLock, Timeout

from feature_store.lake.private_files import close_folder

_HELD: list[FileLock] = []  # a lock that nothing refers to is released


def spill_root(state: Path) -> Path:
    """The folder that holds all of them; only its owner may look into it."""
    return close_folder(state / "spark-local")


@cache
def own_spill_folder(state: Path) -> Path:
    """The folder of this process, which holds its lock as long as it runs."""
    folder = spill_root(state) / uuid.uuid4().hex
    lock = FileLock(_lock_file(folder))
    lock.acquire()
    _HELD.append(lock)
    folder.mkdir()
    return folder


def discard_abandoned(state: Path) -> int:
    """Delete the folders of processes that have ended; returns how many there were."""
    entries = list(spill_root(state).glob("*"))
    folders = [entry for entry in entries if entry.is_dir() and not entry.is_symlink()]
    return sum(_discard_if_abandoned(folder) for folder in folders)


def _discard_if_abandoned(folder: Path) -> bool:
    try:
        with FileLock(_lock_file(folder), timeout=0):
            shutil.rmtree(folder)
            _lock_file(folder).unlink(missing_ok=True)
    except Timeout:
        return False
    return True


def _lock_file(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")
