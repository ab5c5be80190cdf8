"""Erasure from landing files: rows leave the Parquet files, and ids leave the files' names.

Manifests get the new sizes and names.

Equal input rows give equal output bytes, so a file that lands again and is rewritten again fits its
manifest. A rewritten file carries a mark in its metadata. The mark separates a manifest that an
interrupted erasure left behind from a file that another program changed.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from feature_store.privacy.personal_data import landing_person_mask
from jobs.landing.layout import LANDING, ROW_SOURCES, leave_out, numbered_paths
from jobs.landing.manifests import closed_days, manifest_path, read_manifest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date

    from feature_store.lake.storage import Storage
    from feature_store.privacy.person_filter import PersonFilter

_ERASURE_MARK = b"evensong.people_erased"


@dataclass(frozen=True, slots=True)
class LandingErasure:
    """The result of an erasure from landing files.

    Attributes:
        rows: number of removed rows about the person.
        files: number of rewritten files; an unreadable file is emptied.
        renamed: number of files whose name held the id.
    """

    rows: int
    files: int
    renamed: int = 0


def erase_from_landing(storage: Storage, person_filter: PersonFilter) -> LandingErasure:
    """Remove the person from all landing files, in closed and open days; correct the manifests."""
    paths = list(_row_files(storage))
    erasure, _ = _erase_from_files(storage, paths, person_filter)
    renamed = _rename_files(storage, paths, person_filter)
    correct_manifests(storage, closed_days(storage))
    return replace(erasure, renamed=len(renamed))


def remove_suppressed(
    storage: Storage, person_filter: PersonFilter
) -> tuple[LandingErasure, dict[str, int]]:
    """Remove suppressed people from files that landed, or landed again, since the last closing.

    The night calls this before it closes and reads landing days, so a copy cannot bring a person
    back. Also returns the sizes in bytes of the files without these people, by path; a manifest may
    list only files of these sizes.
    """
    listed = {
        file.path: file.byte_count
        for day in closed_days(storage)
        for file in read_manifest(storage, day).files
    }
    found = {file.path: file.byte_count for file in storage.list(LANDING, leave_out)}
    changed = [path for path in found if _is_row_file(path) and listed.get(path) != found[path]]
    erasure, sizes = _erase_from_files(storage, changed, person_filter)
    sizes = found | sizes
    renamed = _rename_files(storage, changed, person_filter)
    for old, new in renamed.items():
        sizes[new] = sizes.pop(old)
    return replace(erasure, renamed=len(renamed)), sizes


def matching_landing_rows(
    storage: Storage, person_filter: PersonFilter
) -> Iterator[tuple[str, pa.Table]]:
    """Path and matching rows of each landing file that has rows about the person."""
    for path in _row_files(storage):
        rows = _read_parquet(storage.read(path))
        if rows is not None:
            theirs = rows.filter(landing_person_mask(rows, person_filter))
            if theirs.num_rows:
                yield path, theirs


def names_person(content: bytes, person_filter: PersonFilter) -> bool:
    """Whether a file names the person: in a row if it is Parquet, else anywhere in its text."""
    rows = _read_parquet(content)
    if rows is None:
        return person_filter.matches_text(content.decode(errors="replace"))
    return bool(pc.any(landing_person_mask(rows, person_filter)).as_py())


def correct_manifests(storage: Storage, days: Iterable[date]) -> None:
    """Write the sizes of rewritten files into the manifests that list them."""
    byte_counts = {file.path: file.byte_count for file in storage.list(LANDING, leave_out)}
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


def _rename_files(
    storage: Storage, paths: Iterable[str], person_filter: PersonFilter
) -> dict[str, str]:
    """Rename files whose name holds the id, in manifests too; returns the new paths by the old.

    The old file goes last: killed before that, the next try finds it and does all of it again.
    """
    renamed = {}
    for path in paths:
        if (new := person_filter.rename(path)) != path:
            renamed[path] = _written_beside(storage, new, storage.read(path))
    if not renamed:
        return {}
    for day in closed_days(storage):
        stored = json.loads(storage.read(manifest_path(day)))
        listed = {file["path"] for file in stored["files"]}
        if listed & renamed.keys():
            for file in stored["files"]:
                file["path"] = renamed.get(file["path"], file["path"])
            storage.write(manifest_path(day), json.dumps(stored, indent=1).encode())
    for old in renamed:
        storage.delete(old)
    return renamed


def _written_beside(storage: Storage, path: str, content: bytes) -> str:
    """Write under the first name that is free, or holds these bytes already; returns the name.

    Two names may hold one id, and a file of an earlier erasure may have the name.
    """
    for name in numbered_paths(path):
        if storage.put_if_absent(name, content) or storage.read(name) == content:
            return name
    raise AssertionError  # there is always a next number


def _is_row_file(path: str) -> bool:
    return path.startswith(tuple(f"{LANDING}/{source}/" for source in ROW_SOURCES))


def _row_files(storage: Storage) -> Iterator[str]:
    for source in ROW_SOURCES:
        for file in storage.list(f"{LANDING}/{source}", leave_out):
            yield file.path


def _erase_from_files(
    storage: Storage, paths: Iterable[str], person_filter: PersonFilter
) -> tuple[LandingErasure, dict[str, int]]:
    """The erasure's counts, and each file's size in bytes as it was read or rewritten."""
    row_count, sizes, file_count = 0, {}, 0
    for path in paths:
        content = storage.read(path)
        sizes[path] = len(content)
        rows = _read_parquet(content)
        if rows is None:
            if person_filter.matches_text(content.decode(errors="replace")):
                storage.write(path, b"")
                sizes[path] = 0
                file_count += 1
            continue
        theirs = landing_person_mask(rows, person_filter)
        removed = pc.sum(theirs).as_py() or 0
        if removed:
            rewritten = _to_parquet(rows.filter(pc.invert(theirs)), content)
            storage.write(path, rewritten)
            sizes[path] = len(rewritten)
            row_count, file_count = row_count + removed, file_count + 1
    return LandingErasure(row_count, file_count), sizes


def _read_parquet(content: bytes) -> pa.Table | None:
    try:
        return pq.read_table(io.BytesIO(content))
    except (pa.ArrowException, OSError):
        return None


def _to_parquet(rows: pa.Table, original: bytes) -> bytes:
    """Marked Parquet in one chunk; INT96 times stay INT96, or Spark could not read them."""
    parquet_columns = pq.ParquetFile(io.BytesIO(original)).schema
    has_int96 = any(
        parquet_columns.column(index).physical_type == "INT96"
        for index in range(len(parquet_columns))
    )
    marked = rows.replace_schema_metadata({**(rows.schema.metadata or {}), _ERASURE_MARK: b"1"})
    sink = io.BytesIO()
    pq.write_table(marked.combine_chunks(), sink, use_deprecated_int96_timestamps=has_int96)
    return sink.getvalue()


def _is_marked(storage: Storage, path: str) -> bool:
    """Whether an erasure wrote the file: the file carries the mark, or is empty."""
    content = storage.read(path)
    rows = _read_parquet(content)
    return not content if rows is None else _ERASURE_MARK in (rows.schema.metadata or {})
