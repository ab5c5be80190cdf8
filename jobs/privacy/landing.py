"""Landing files without a person: rows leave the Parquet files, and manifests learn the new sizes.

The same rows in give the same bytes out, so a file that is landed again and cleaned again is the
file that its manifest lists. A cleaned file carries a mark in its metadata: a manifest that an
interrupted erasure left behind can then be told from a file that somebody changed.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from feature_store.privacy.person_filter import Who, landing_rows_of
from jobs.landing.manifests import ROW_SOURCES, closed_days, manifest_path, read_manifest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date

    from feature_store.lake.storage import Storage

_LANDING = "landing"
_MARK = b"evensong.people_erased"


@dataclass(frozen=True, slots=True)
class CleanedLanding:
    """What was done to landing files.

    Attributes:
        rows: rows about the person that were removed.
        files: files that were written anew; an unreadable one is emptied.
    """

    rows: int
    files: int


def erase_from_landing(storage: Storage, who: Who) -> CleanedLanding:
    """Remove the person from every landing file, closed days or not, and correct the manifests."""
    done, _ = _clean(storage, list(_row_files(storage)), who)
    correct_manifests(storage, closed_days(storage))
    return done


def keep_out(storage: Storage, who: Who) -> tuple[CleanedLanding, dict[str, int]]:
    """Remove suppressed people from what landed since: new files, and files that landed again.

    Called before landing days are closed and read, so that nobody comes back by a copy. Gives what
    was done, and the sizes of the files that hold none of these people now: no other may be listed.
    """
    listed = {
        file.path: file.byte_count
        for day in closed_days(storage)
        for file in read_manifest(storage, day).files
    }
    found = {file.path: file.byte_count for file in storage.list(_LANDING)}
    landed = [path for path in found if _is_row_file(path) and listed.get(path) != found[path]]
    done, sizes = _clean(storage, landed, who)
    return done, found | sizes


def landing_rows_about(storage: Storage, who: Who) -> Iterator[tuple[str, pa.Table]]:
    """Path and rows of each landing file that holds the person."""
    for path in _row_files(storage):
        rows = _readable(storage.read(path))
        if rows is not None:
            theirs = rows.filter(landing_rows_of(rows, who))
            if theirs.num_rows:
                yield path, theirs


def correct_manifests(storage: Storage, days: Iterable[date]) -> None:
    """Write the sizes of cleaned files into the manifests that list them."""
    byte_counts = {file.path: file.byte_count for file in storage.list(_LANDING)}
    for day in days:
        stored = json.loads(storage.read(manifest_path(day)))
        is_corrected = False
        for file in stored["files"]:
            found = byte_counts.get(file["path"])
            if found not in {None, file["byte_count"]} and _is_marked(storage, file["path"]):
                file["byte_count"] = found
                is_corrected = True
        if is_corrected:
            storage.write(manifest_path(day), json.dumps(stored, indent=1).encode())


def _is_row_file(path: str) -> bool:
    return path.startswith(tuple(f"{_LANDING}/{source}/" for source in ROW_SOURCES))


def _row_files(storage: Storage) -> Iterator[str]:
    for source in ROW_SOURCES:
        for file in storage.list(f"{_LANDING}/{source}"):
            yield file.path


def _clean(
    storage: Storage, paths: Iterable[str], who: Who
) -> tuple[CleanedLanding, dict[str, int]]:
    """What was done, and the size of each file as it was read or as it was written anew."""
    row_count, sizes, written = 0, {}, 0
    for path in paths:
        content = storage.read(path)
        sizes[path] = len(content)
        rows = _readable(content)
        if rows is None:
            if who.is_in_text(content.decode(errors="replace")):
                storage.write(path, b"")
                sizes[path] = 0
                written += 1
            continue
        theirs = landing_rows_of(rows, who)
        removed = pc.sum(theirs).as_py() or 0
        if removed:
            packed = _packed(rows.filter(pc.invert(theirs)), content)
            storage.write(path, packed)
            sizes[path] = len(packed)
            row_count, written = row_count + removed, written + 1
    return CleanedLanding(row_count, written), sizes


def _readable(content: bytes) -> pa.Table | None:
    try:
        return pq.read_table(io.BytesIO(content))
    except (pa.ArrowException, OSError):
        return None


def _packed(rows: pa.Table, original: bytes) -> bytes:
    """As Parquet, in one piece; times keep the form in which they came, or Spark could not read."""
    parquet_columns = pq.ParquetFile(io.BytesIO(original)).schema
    has_int96 = any(
        parquet_columns.column(place).physical_type == "INT96"
        for place in range(len(parquet_columns))
    )
    marked = rows.replace_schema_metadata({**(rows.schema.metadata or {}), _MARK: b"1"})
    sink = io.BytesIO()
    pq.write_table(marked.combine_chunks(), sink, use_deprecated_int96_timestamps=has_int96)
    return sink.getvalue()


def _is_marked(storage: Storage, path: str) -> bool:
    """Whether an erasure wrote the file: it carries the mark, or was emptied."""
    content = storage.read(path)
    rows = _readable(content)
    return not content if rows is None else _MARK in (rows.schema.metadata or {})
