"""Erasure from the landing zone: rows leave the files, ids leave names of files and manifests.

Row files are searched, and everything outside the layout: a misplaced file counts for no day and
holds its rows all the same. Audio files and covers are not searched; their names hold track ids.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from feature_store.lake.storage import TEMPORARY
from jobs.landing import file_erasure
from jobs.landing.file_erasure import erase_from_file, matching_rows
from jobs.landing.layout import FILE_SOURCES, LANDING, ROW_SOURCES, landing_file_of, leave_out
from jobs.landing.manifest_erasure import (
    correct_manifests,
    erase_from_names,
    path_without_ids,
    people_in_path,
)
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
        rows: number of removed rows about the people, and of lines of misplaced text files.
        files: number of rewritten files; an unreadable file is emptied.
        renamed: number of files whose path held an id.
        rows_by_person: of the removed rows and lines, how many were about each person; one about
            two people counts for both.
        renamed_by_person: the same of the files.
    """

    rows: int
    files: int
    renamed: int = 0
    rows_by_person: Counter[str] = field(default_factory=Counter, repr=False)
    renamed_by_person: Counter[str] = field(default_factory=Counter, repr=False)


def erase_from_landing(
    storage: Storage, person_filter: PersonFilter, files: Iterable[StoredFile] | None = None
) -> LandingErasure:
    """Remove the people from landing files, in closed and open days; correct the manifests.

    Args:
        storage: the lake.
        person_filter: one person, or several at once.
        files: those to look at; all that can name a person by default.
    """
    looked_at = searchable_files(storage) if files is None else files
    erasure, _ = _erase_from_files(storage, list(looked_at), person_filter)
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
    changed = [
        file for file in searchable_files(storage) if listed.get(file.path) != file.byte_count
    ]
    erasure, sizes = _erase_from_files(storage, changed, person_filter)
    return erasure, {path: size for path, size in found.items() if path not in sizes} | {
        path: size for path, size in sizes.items() if size is not None
    }


def matching_landing_rows(
    storage: Storage, person_filter: PersonFilter
) -> Iterator[tuple[str, pa.Table]]:
    """Path and matching rows of each Parquet file that has rows about the people."""
    for file in searchable_files(storage):
        theirs = None if _is_content(file) else matching_rows(storage, file.path, person_filter)
        if theirs is not None:
            yield file.path, theirs


def names_person(storage: Storage, file: StoredFile, person_filter: PersonFilter) -> bool:
    """Whether the path or the content of a landing file names one of the people."""
    if path_without_ids(file.path, person_filter) != file.path:
        return True
    return not _is_content(file) and file_erasure.names_person(storage, file.path, person_filter)


def searchable_files(storage: Storage) -> Iterator[StoredFile]:
    """Files that can name a person; without manifests and files that somebody is writing."""
    for file in storage.list(LANDING, leave_out):
        is_writing = file.path.rpartition("/")[2].startswith(TEMPORARY)
        if is_writing or file.path.endswith("/") or file.path.startswith(f"{MANIFESTS}/"):
            continue
        if not (_is_content(file) and landing_file_of(file)):  # its name holds a track id
            yield file


def _is_content(file: StoredFile) -> bool:
    """Whether it is audio or a cover, also a misplaced one: only its name counts."""
    return file.path.startswith(tuple(f"{LANDING}/{source}/" for source in FILE_SOURCES))


def _is_row_file(file: StoredFile) -> bool:
    """Whether it lies in the layout as a file of rows."""
    found = landing_file_of(file)
    return found is not None and found.source in ROW_SOURCES


def _erase_from_files(
    storage: Storage, files: Iterable[StoredFile], person_filter: PersonFilter
) -> tuple[LandingErasure, dict[str, int | None]]:
    """The erasure's counts, and the size of each file as searched; None under a former name."""
    row_count, file_count, by_person = 0, 0, Counter[str]()
    sizes, not_searched = dict[str, int | None](), []
    for file in files:
        sizes[file.path] = file.byte_count
        if _is_content(file):
            continue
        erasure = erase_from_file(storage, file.path, person_filter, is_row_file=_is_row_file(file))
        sizes[file.path] = erasure.byte_count
        row_count, file_count = row_count + erasure.removed, file_count + erasure.is_rewritten
        by_person += erasure.removed_by_person
        if not erasure.is_searched:
            not_searched.append(file.path)
    renamed = erase_from_names(storage, sizes, person_filter)
    for old, new in renamed.items():
        sizes[new], sizes[old] = sizes[old], None
    for path in not_searched:
        LOG.warning(
            "not searched for erased people: no text, and no Parquet that can be read",
            path=renamed.get(path, path),
        )
    renamed_by_person = Counter(
        each for path in renamed for each in people_in_path(path, person_filter)
    )
    return (
        LandingErasure(row_count, file_count, len(renamed), by_person, renamed_by_person),
        sizes,
    )
