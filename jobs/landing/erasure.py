"""Erasure from the landing zone: rows leave the files, ids leave names of files and manifests.

Row files are searched, and everything outside the layout: a misplaced file counts for no day and
holds its rows all the same. Audio files and covers are not searched; their names hold track ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from feature_store.lake.storage import TEMPORARY
from jobs.landing.file_erasure import erase_from_file, matching_rows
from jobs.landing.layout import FILE_SOURCES, LANDING, ROW_SOURCES, landing_file_of, leave_out
from jobs.landing.manifest_erasure import correct_manifests, erase_from_names
from jobs.landing.manifest_files import MANIFESTS
from jobs.landing.manifests import closed_days, listed_bytes

if TYPE_CHECKING:
    import pyarrow as pa

    from feature_store.lake.storage import Storage
    from feature_store.lake.stored_file import StoredFile
    from feature_store.privacy.person_filter import PersonFilter

LOG = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class LandingErasure:
    """The result of an erasure from the landing zone.

    Attributes:
        rows: number of removed rows about the person, and of lines of misplaced text files.
        files: number of rewritten files; an unreadable file is emptied.
        renamed: number of files whose path held the id.
    """

    rows: int
    files: int
    renamed: int = 0


@dataclass(frozen=True, slots=True)
class _Found:
    """A file of the landing zone, and what an erasure does with it.

    Attributes:
        is_row_file: whether it lies in the layout as a file of rows.
        is_content: whether it is audio or a cover, also a misplaced one: only its name counts.
    """

    path: str
    byte_count: int
    is_row_file: bool
    is_content: bool


def erase_from_landing(storage: Storage, person_filter: PersonFilter) -> LandingErasure:
    """Remove the person from all landing files, in closed and open days; correct the manifests."""
    erasure, _ = _erase_from_files(storage, list(_files(storage)), person_filter)
    correct_manifests(storage, closed_days(storage))
    return erasure


def remove_suppressed(
    storage: Storage, person_filter: PersonFilter
) -> tuple[LandingErasure, dict[str, int]]:
    """Remove suppressed people from files that landed, or landed again, since the last closing.

    The night calls this before it closes and reads landing days, so a copy cannot bring a person
    back. Also returns the sizes in bytes of the files without these people, by path; a manifest may
    list only files of these sizes.
    """
    listed = listed_bytes(storage)
    found = {file.path: file.byte_count for file in storage.list(LANDING, leave_out)}
    changed = [file for file in _files(storage) if listed.get(file.path) != file.byte_count]
    erasure, sizes = _erase_from_files(storage, changed, person_filter)
    return erasure, {path: size for path, size in found.items() if path not in sizes} | {
        path: size for path, size in sizes.items() if size is not None
    }


def matching_landing_rows(
    storage: Storage, person_filter: PersonFilter
) -> Iterator[tuple[str, pa.Table]]:
    """Path and matching rows of each Parquet file that has rows about the person."""
    for file in _files(storage):
        theirs = None if file.is_content else matching_rows(storage, file.path, person_filter)
        if theirs is not None:
            yield file.path, theirs


def _files(storage: Storage) -> Iterator[_Found]:
    """Files that can name a person; without manifests and files that somebody is writing."""
    for stored in storage.list(LANDING, leave_out):
        is_writing = stored.path.rpartition("/")[2].startswith(TEMPORARY)
        if is_writing or stored.path.endswith("/") or stored.path.startswith(f"{MANIFESTS}/"):
            continue
        file = _described(stored)
        if not (file.is_content and landing_file_of(stored)):  # its name holds a track id
            yield file


def _described(stored: StoredFile) -> _Found:
    file = landing_file_of(stored)
    is_content = stored.path.startswith(tuple(f"{LANDING}/{source}/" for source in FILE_SOURCES))
    is_row_file = file is not None and file.source in ROW_SOURCES
    return _Found(stored.path, stored.byte_count, is_row_file, is_content)


def _erase_from_files(
    storage: Storage, files: Iterable[_Found], person_filter: PersonFilter
) -> tuple[LandingErasure, dict[str, int | None]]:
    """The erasure's counts, and the size of each file as searched; None under a former name."""
    row_count, file_count, sizes = 0, 0, dict[str, int | None]()
    not_searched = []
    for file in files:
        sizes[file.path] = file.byte_count
        if file.is_content:
            continue
        erasure = erase_from_file(storage, file.path, person_filter, is_row_file=file.is_row_file)
        sizes[file.path] = erasure.byte_count
        row_count, file_count = row_count + erasure.removed, file_count + erasure.is_rewritten
        if not erasure.is_searched:
            not_searched.append(file.path)
    renamed = erase_from_names(storage, sizes, person_filter)
    for old, new in renamed.items():
        sizes[new], sizes[old] = sizes[old], None
    for path in not_searched:
        LOG.warning(
            "not searched for erased people: outside the layout, no Parquet and no text",
            path=renamed.get(path, path),
        )
    return LandingErasure(row_count, file_count, len(renamed)), sizes
