"""Local files and folders of their owner alone: secrets, databases, logs, erasure requests."""

from __future__ import annotations

import os
from pathlib import Path

OWNER_ONLY = 0o600
OWNER_ONLY_FOLDER = 0o700


class NotAFile(ValueError):
    """The path cannot be a private file."""


def make_private(path: Path) -> None:
    """Let only the owner read and write `path`, which is made when it is not there.

    Nothing else is changed: neither a folder's rights nor a device's.

    Raises:
        NotAFile: it is a folder or a device, or its folder does not exist.
    """
    if path.exists() and not path.is_file():
        raise NotAFile(f"{path}: it is no file; give the path of a file")
    if not path.parent.is_dir():
        raise NotAFile(f"{path}: the folder {path.parent} does not exist; make it first")
    path.touch(mode=OWNER_ONLY)
    path.chmod(OWNER_ONLY)  # it may have been there, readable by others


def make_private_folder(folder: Path) -> Path:
    """Make a folder that only its owner may enter, with the missing ones above it; returns it.

    A folder that exists keeps its rights: it may be one that other programs use.
    """
    for missing in [each for each in reversed([folder, *folder.parents]) if not each.exists()]:
        missing.mkdir(mode=OWNER_ONLY_FOLDER, exist_ok=True)
    return folder


def close_folder(folder: Path) -> Path:
    """Make a folder of ours, or take other people's rights from one that is there; returns it."""
    make_private_folder(folder).chmod(OWNER_ONLY_FOLDER)
    return folder


def write_private_file(path: Path, text: str) -> None:
    """Replace `path` with a file of mode 0600; at no moment could another user read its text.

    Folders above it are made. A reader sees the earlier content or the new one, never a part.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}-{os.getpid()}")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())  # a power failure must not lose a request whose id was printed
    partial.replace(path)
