"""A file of a storage as a listing shows it, and the error of one that cannot be had."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

BLOCK_BYTES = 8 * 2**20
"""The most that a reader of blocks has in memory at a time."""


class StorageError(OSError):
    """A file or object cannot be read or written."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file's path inside the storage, its size, and when it was last written (UTC)."""

    path: str
    byte_count: int
    written_at_utc: datetime
