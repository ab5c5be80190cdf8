"""Files that somebody may still be writing: they wait for the next closing.

An object store shows an object when it is whole. In a folder a file is there from its first byte,
unless its writer writes under a name with a leading dot and renames it, as ours do.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from feature_store.lake.storage import FolderStorage
from jobs.landing.layout import ROW_SOURCES, landing_files

if TYPE_CHECKING:
    from datetime import datetime

    from feature_store.lake.storage import Storage

_PARQUET_END = b"PAR1"


def unfinished_files(storage: Storage, now: datetime, settle_s: int) -> dict[str, str]:
    """Files younger than `settle_s` seconds without content or without Parquet's end, and why."""
    if not isinstance(storage, FolderStorage) or not settle_s:
        return {}
    files, _ = landing_files(storage)
    young = [file for file in files if now - file.written_at_utc < timedelta(seconds=settle_s)]
    return {
        file.path: f"{file.byte_count} bytes, without an end: still being written? It waits for "
        f"the next closing ({settle_s} s: landing.settle_s)"
        for file in young
        if not _has_end(storage, file.path, is_parquet=file.source in ROW_SOURCES)
    }


def _has_end(storage: FolderStorage, path: str, *, is_parquet: bool) -> bool:
    with storage.local_copy(path) as file, file.open("rb") as opened:
        size = opened.seek(0, 2)
        if not is_parquet:
            return size > 0
        opened.seek(max(0, size - len(_PARQUET_END)))
        return opened.read() == _PARQUET_END
