"""Erasure from one landing file: the person's rows leave it, all others stay.

Parquet is read as every landing file is (parquet_file.py). What cannot be read is searched as text:
an unreadable file of rows, or of what looks like Parquet, is emptied when it names the person, and
a text file outside the layout loses the lines that do.

Equal input rows give equal output bytes, so a file that lands again and is rewritten again fits its
manifest. A rewritten file carries a mark in its metadata. The mark separates a manifest that an
interrupted erasure left behind from a file that another program changed.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from feature_store.privacy.personal_data import (
    landing_person_mentions,
    named_rows,
    rows_by_person,
)
from jobs.landing.parquet_file import (
    UnreadableFile,
    check_file,
    decoded,
    read_batches,
    read_schema,
    without_dictionaries,
)

if TYPE_CHECKING:
    from feature_store.lake.storage import Storage
    from feature_store.privacy.person_filter import PersonFilter

_ERASURE_MARK = b"evensong.people_erased"
_PARQUET_MAGIC = b"PAR1"
_HEAD_BYTES = 1 << 16
_FRAME = re.compile(
    r"PAR1|ARROW:schema|[\x18H][\x03-\x1e](?:\w+_)?(?:schema|root)(?=\x15)|evensong\.people_erased"
    r"|\b(?:parquet-[a-z]+[\w-]*|pyarrow|fastparquet[\w-]*|DuckDB|Polars)"
    r"(?: version v?[\w.+-]+)?(?: \(build [^)]{0,80}\))?"
)
"""Words that writers put into every Parquet file: none of them is a person called `version`."""


@dataclass(frozen=True, slots=True)
class FileErasure:
    """What an erasure found in a file and made of it.

    Attributes:
        byte_count: size of the file as it was searched or rewritten.
        removed: number of rows or lines that are gone.
        removed_by_person: how many of them were about each person; one about two counts for both.
        is_rewritten: whether the file was written again.
        is_searched: false for bytes that are neither Parquet that can be read nor text.
    """

    byte_count: int
    removed: int = 0
    is_rewritten: bool = False
    is_searched: bool = True
    removed_by_person: Counter[str] = field(default_factory=Counter, repr=False)


def erase_from_file(
    storage: Storage, path: str, person_filter: PersonFilter, *, is_row_file: bool
) -> FileErasure:
    """Remove the person's rows from a file, which may be anything unless it is a row file.

    Raises:
        StorageError: the storage does not give the file, or does not take it.
    """
    with storage.local_copy(path) as file:
        byte_count = file.stat().st_size  # before it is read: later bytes are not searched
        removed, by_person = 0, Counter[str]()
        try:
            for batch in read_batches(file):
                mentions = _mentions(batch, person_filter)
                removed += _count(mentions, batch)
                by_person += rows_by_person(mentions)
            rewritten = _without_person(file, person_filter) if removed else b""
        except UnreadableFile:
            return _erase_from_bytes(storage, path, person_filter, is_row_file=is_row_file)
    if not removed:
        return FileErasure(byte_count)
    storage.write(path, rewritten)
    return FileErasure(len(rewritten), removed, is_rewritten=True, removed_by_person=by_person)


def matching_rows(storage: Storage, path: str, person_filter: PersonFilter) -> pa.Table | None:
    """The rows about the person; None for a file that cannot be read or has none."""
    with storage.local_copy(path) as file:
        try:
            found = [_filtered(batch, person_filter, theirs=True) for batch in read_batches(file)]
        except UnreadableFile:
            return None
    rows = pa.Table.from_batches(found) if found else None
    return rows if rows is not None and rows.num_rows else None


def names_person(storage: Storage, path: str, person_filter: PersonFilter) -> bool:
    """Whether a file names the person: in a row if it is Parquet, else anywhere in its text."""
    with storage.local_copy(path) as file:
        try:
            return any(_mentions(batch, person_filter).num_rows > 0 for batch in read_batches(file))
        except UnreadableFile:
            return _is_named(storage.read(path), person_filter)


def is_marked(storage: Storage, path: str) -> bool:
    """Whether an erasure wrote the file: the file carries the mark, or is empty."""
    with storage.local_copy(path) as file:
        try:
            check_file(file)
        except UnreadableFile:
            return file.stat().st_size == 0
        return _ERASURE_MARK in (read_schema(file).metadata or {})


def _mentions(batch: pa.RecordBatch, person_filter: PersonFilter) -> pa.Table:
    return landing_person_mentions(pa.Table.from_batches([batch]), person_filter)


def _count(mentions: pa.Table, batch: pa.RecordBatch) -> int:
    return pc.sum(named_rows(mentions, batch.num_rows)).as_py() or 0


def _filtered(
    batch: pa.RecordBatch, person_filter: PersonFilter, *, theirs: bool
) -> pa.RecordBatch:
    mask = named_rows(_mentions(batch, person_filter), batch.num_rows)
    return without_dictionaries(batch.filter(mask if theirs else pc.invert(mask)))


def _without_person(file: Path, person_filter: PersonFilter) -> bytes:
    """Marked Parquet in one chunk; INT96 times stay INT96, as their reader expects."""
    parquet_columns = pq.ParquetFile(file).schema
    has_int96 = any(
        parquet_columns.column(index).physical_type == "INT96"
        for index in range(len(parquet_columns))
    )
    schema = read_schema(file)
    kept = [_filtered(batch, person_filter, theirs=False) for batch in decoded(file)]
    rows = pa.Table.from_batches(kept, schema=schema)
    marked = rows.replace_schema_metadata({**(schema.metadata or {}), _ERASURE_MARK: b"1"})
    sink = io.BytesIO()
    pq.write_table(marked.combine_chunks(), sink, use_deprecated_int96_timestamps=has_int96)
    return sink.getvalue()


def _erase_from_bytes(
    storage: Storage, path: str, person_filter: PersonFilter, *, is_row_file: bool
) -> FileErasure:
    content = storage.read(path)
    if not is_row_file and not _looks_like_parquet(content):
        if not _looks_like_text(content):
            return FileErasure(len(content), is_searched=False)
        lines = content.splitlines(keepends=True)
        is_theirs = [_is_named(line, person_filter) for line in lines]
        theirs = list(compress(lines, is_theirs))
        left = b"".join(compress(lines, (not named for named in is_theirs)))
    else:
        theirs, left = [], b"" if _is_named(content, person_filter) else content
    if left == content:
        # Ids in compressed pages are not in its bytes; they get into no table, and stay here.
        return FileErasure(len(content), is_searched=not _looks_like_parquet(content))
    storage.write(path, left)
    by_person = Counter(
        each for line in theirs for each in person_filter.known_in_text(_text(line))
    )
    return FileErasure(len(left), len(theirs), is_rewritten=True, removed_by_person=by_person)


def _is_named(content: bytes, person_filter: PersonFilter) -> bool:
    return person_filter.matches_text(_text(content))


def _text(content: bytes) -> str:
    """What may name a person; only the head of a text file is known to be UTF-8."""
    return _FRAME.sub("\0", content.decode(errors="replace"))


def _looks_like_parquet(content: bytes) -> bool:
    return content.startswith(_PARQUET_MAGIC) or content.endswith(_PARQUET_MAGIC)


def _looks_like_text(content: bytes) -> bool:
    head = content[:_HEAD_BYTES]
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4 and len(content) > len(head)  # a character was cut
    return b"\0" not in head
