"""Files that somebody may still be writing: they wait for the next closing.

An object store shows an object when it is whole. In a folder a file is there from its first byte,
unless its writer writes under a name with a leading dot and renames it, as ours do.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from feature_store.lake.storage import FolderStorage
from jobs.landing.layout import FILE_SOURCES, landing_files

if TYPE_CHECKING:
    from datetime import datetime

    from feature_store.lake.storage import Storage

_PARQUET_END = b"PAR1"


def unfinished_files(storage: Storage, now: datetime, settle_s: int) -> dict[str, str]:
    """Files written within `settle_s` seconds of `now` without an end of their own, and why.

    Parquet has an end. Audio and pictures have none that all share, so their age alone counts. A
    file may be dated after `now`: a little by another machine's clock, or years by whoever wrote
    it, which makes it old.
    """
    if not isinstance(storage, FolderStorage) or not settle_s:
        return {}
    files, _ = landing_files(storage)
    young = [file for file in files if abs(now - file.written_at_utc) < timedelta(seconds=settle_s)]
    return {
        file.path: f"{file.byte_count} bytes, without an end: still being written? It waits for "
        f"the next closing ({settle_s} s: landing.settle_s)"
        for file in young
        if file.source in FILE_SOURCES or not _has_parquet_end(storage, file.path)
    }


def _has_parquet_end(storage: FolderStorage, path: str) -> bool:
    with storage.local_copy(path) as file, file.open("rb") as opened:
        opened.seek(max(0, opened.seek(0, 2) - len(_PARQUET_END)))
        return opened.read() == _PARQUET_END
