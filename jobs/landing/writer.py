"""LandingWriter: the sources in jobs/sources write their landing files with it.

A manifest lists the files of a closed day, and these never change. So a source that brings other
content for such a day gets a new file: `part-0_0002.parquet`, `track.jpg_0002`. The next day that
is closed lists it. A file that no manifest lists yet is replaced, so that an ingest that was
interrupted is mended by running it again.
"""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.landing.layout import content_file_path, numbered_paths, row_file_path
from jobs.landing.manifests import is_listed, listed_bytes
from jobs.landing.parquet_file import UnreadableFile, read_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from feature_store.lake.storage import Storage


@dataclass(frozen=True, slots=True)
class Landed:
    """One file that a source brought.

    Attributes:
        count: rows of a row source; 1 for an audio file or a cover.
        is_new: false for what had landed before.
    """

    source: str
    path: str
    count: int
    is_new: bool


@dataclass(frozen=True)
class LandingWriter:
    """Writes landing files in the layout of jobs/landing/layout.py.

    Attributes:
        landed: what was written, and what had landed before, in the order of the calls.
    """

    storage: Storage
    landed: list[Landed] = field(default_factory=list)

    def write_rows(
        self, source: str, arrival_date: date, rows: pa.Table, part: str = "part-0"
    ) -> str:
        """Write the rows of a part in one Parquet file; returns its path in the lake.

        The part takes the place of an earlier one of the same name. Where a manifest lists the
        earlier one, only rows that it lacks are written, beside it.
        """
        for path in self._names(row_file_path(source, arrival_date, part)):
            content = _to_parquet(rows)
            if self.storage.put_if_absent(path, content):
                return self._note(source, path, rows.num_rows)
            stored = self.storage.read(path)
            if stored == content:
                return self._note(source, path, rows.num_rows, is_new=False)
            if not is_listed(self.storage, path, arrival_date):
                self.storage.write(path, content)
                return self._note(source, path, rows.num_rows)
            missing = _missing_in(_read_rows(self.storage, path), rows)
            self._note(source, path, rows.num_rows - missing.num_rows, is_new=False)
            if not missing.num_rows:
                return path
            rows = missing
        raise AssertionError  # there is always one more number

    def add_rows(self, source: str, arrival_date: date, rows: pa.Table, part: str) -> None:
        """Write rows beside those that landed in the same part before; no rows make no file."""
        if rows.num_rows:
            content = _to_parquet(rows)
            path = next(
                path
                for path in self._names(row_file_path(source, arrival_date, part))
                if self.storage.put_if_absent(path, content)
            )
            self._note(source, path, rows.num_rows)

    def stored_rows(self, source: str, arrival_date: date, part: str) -> Iterator[pa.Table]:
        """The rows of a part in the order in which they landed, one table for each file."""
        for path in self._names(row_file_path(source, arrival_date, part)):
            if not self.storage.exists(path):
                return
            yield _read_rows(self.storage, path)

    def note_known(self, source: str, path: str, count: int) -> None:
        """Note rows that the source brought although they had landed before."""
        self._note(source, path, count, is_new=False)

    def write_file(
        self, source: str, arrival_date: date, track_id: str, extension: str, content: bytes
    ) -> str:
        """Write one audio file or cover; `extension` has no dot. Returns its path in the lake.

        It takes the place of the newest one of that name, or where a manifest lists that one, gets
        the next name. Content that equals the newest one is not written again; the newest one is
        restored when it is gone.
        """
        newest = None
        for path in numbered_paths(content_file_path(source, arrival_date, track_id, extension)):
            if path in self._listed_bytes or self.storage.exists(path):
                newest = path
                continue
            if newest and self._has_content(newest, content):
                return self._note(source, newest, 1, is_new=False)
            if newest and not is_listed(self.storage, newest, arrival_date):
                self.storage.write(newest, content)
                return self._note(source, newest, 1)
            if self.storage.put_if_absent(path, content):
                return self._note(source, path, 1)
            newest = path  # another ingest was faster
        raise AssertionError  # there is always one more number

    @cached_property
    def _listed_bytes(self) -> dict[str, int]:
        """Size of every file that a manifest lists, also of one that is gone since, by path."""
        return listed_bytes(self.storage)

    def _names(self, path: str) -> Iterator[str]:
        """The numbered names, without those of listed files that are gone: no other file gets them.

        A file is gone once its time in the landing zone is over, or when a person deletes it.
        """
        for name in numbered_paths(path):
            if name not in self._listed_bytes or self.storage.exists(name):
                yield name

    def _has_content(self, path: str, content: bytes) -> bool:
        """Whether the file holds `content`; one that is gone is restored where its size fits."""
        if self.storage.exists(path):
            return self.storage.read(path) == content
        is_fitting = self._listed_bytes.get(path) == len(content)
        return is_fitting and self.storage.put_if_absent(path, content)

    def _note(self, source: str, path: str, count: int, *, is_new: bool = True) -> str:
        self.landed.append(Landed(source, path, count, is_new))
        return path


def _to_parquet(rows: pa.Table) -> bytes:
    sink = io.BytesIO()
    # Spark reads no nanoseconds, and no table of ours holds any.
    pq.write_table(rows, sink, coerce_timestamps="us", allow_truncated_timestamps=True)
    return sink.getvalue()


def _read_rows(storage: Storage, path: str) -> pa.Table:
    """The rows of a landing file; none of a file that is no Parquet, as an erasure leaves some.

    Raises:
        StorageError: the storage does not give the file.
    """
    with storage.local_copy(path) as file:
        try:
            return read_table(file)
        except UnreadableFile:
            return pa.table({})


def _missing_in(stored: pa.Table, rows: pa.Table) -> pa.Table:
    """The rows that `stored` lacks; of equal ones as many as it has fewer."""
    names = rows.column_names
    known = Counter(tuple(row.get(name) for name in names) for row in stored.to_pylist())
    is_missing = []
    # Compared as they are after writing: Parquet changes the unit of times.
    for row in pq.read_table(io.BytesIO(_to_parquet(rows))).to_pylist():
        key = tuple(row[name] for name in names)
        is_missing.append(known[key] == 0)
        known[key] -= known[key] > 0
    return rows.filter(pa.array(is_missing, pa.bool_()))
