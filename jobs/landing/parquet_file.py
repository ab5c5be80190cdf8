"""One Parquet file of the landing zone, read with pyarrow and trusted with nothing.

A file is read to its end before its first row is used: a page that is damaged, in a codec that is
not there or of an impossible size makes the whole file unreadable, whatever its footer says. That
first reading is done by a process of its own with limits (parquet_check.py), because one flipped
bit in a footer can end the process that reads it. What the storage says is no property of the
file: it is a StorageError, and the task is tried again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from feature_store.lake.stored_file import StorageError
from jobs.decoding.decoder_process import DecoderProcess
from jobs.decoding.failure_reasons import ContentFailure

CHECK = "landing"
_PROGRAM = "jobs.landing.parquet_check"
_MEMORY_MIB = 2048
_MAX_CPU_S = 600
_BATCH_ROWS = 8192
_BATCH_ROWS_BY_PREFIX = 32
_BUFFER_BYTES = 1 << 20
_MOST_BATCH_BYTES = 64 << 20
_MOST_ROWS_PER_BYTE = 200
"""A file that claims more rows is a trap: rows of ours hold times and ids, which differ."""

_JOINT = b"PAR1PAR1"  # the mark with which a file ends, and the one with which the next begins
_SIGNATURE_BYTES = 28
"""A nonce of 12 and a tag of 16 behind the readable footer of an encrypted file. Its encrypted
columns may not be asked for: Arrow ends the process."""

_INT96_UNIT = "us"
"""Nanoseconds, which Arrow takes for INT96 otherwise, hold the years 1678 to 2262 alone: another
year becomes one of these."""


class UnreadableFile(ValueError):
    """The bytes of the file are no Parquet that can be read."""


def read_batches(file: Path) -> Iterator[pa.RecordBatch]:
    """The rows in order, at most 8,192 and 64 MiB in a batch; most texts are dictionaries.

    Raises:
        UnreadableFile: because of the bytes; before the first batch.
        StorageError: because of the disk.
        DecoderKilled, DecoderFailed, MemoryError: because of the machine.
    """
    check_file(file)
    yield from decoded(file)


def check_file(file: Path) -> None:
    """Let the process that may die of it read the file to its end.

    Raises:
        As `read_batches`.
    """
    try:
        _checker_of(os.getpid()).decode(CHECK, os.fsencode(file))
    except ContentFailure as error:
        raise UnreadableFile(error.detail) from error


def read_table(file: Path) -> pa.Table:
    """All rows, with the metadata of the file's schema; each text stands by itself.

    Raises:
        As `read_batches`.
    """
    check_file(file)
    batches = [without_dictionaries(batch) for batch in decoded(file)]
    return pa.Table.from_batches(batches, schema=read_schema(file))


def read_schema(file: Path) -> pa.Schema:
    """Columns and metadata of a checked file, in the types of `read_table`."""
    stated = pq.ParquetFile(file, coerce_int96_timestamp_unit=_INT96_UNIT).schema_arrow
    return pa.schema([_without_dictionary(field) for field in stated], stated.metadata)


def without_dictionaries(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with each text by itself: a dictionary also holds texts that no row has."""
    arrays = [
        column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
        for column in batch.columns
    ]
    fields = [_without_dictionary(field) for field in batch.schema]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields, batch.schema.metadata))


def _without_dictionary(field: pa.Field) -> pa.Field:
    is_dictionary = pa.types.is_dictionary(field.type)
    return field.with_type(field.type.value_type) if is_dictionary else field


@cache
def _checker_of(_process_id: int) -> DecoderProcess:
    """The checking process of this one; a fork must not share its parent's."""
    return DecoderProcess(_PROGRAM, _MEMORY_MIB, _MAX_CPU_S)


def decoded(file: Path) -> Iterator[pa.RecordBatch]:
    """As `read_batches`, without the process that protects this one from the file."""
    try:
        with pa.OSFile(str(file)) as source:
            yield from chain.from_iterable(map(_bounded, _batches(source)))
    except MemoryError:  # Arrow's too: the machine is short of it, or the checker says so
        raise
    except OSError as error:
        # The operating system numbers its errors; Arrow has none for bytes that make no sense.
        if error.errno:
            raise StorageError(f"storage {file}: cannot be read: {error.strerror}") from error
        raise UnreadableFile(_first_line(error)) from error
    except (pa.ArrowException, ValueError, OverflowError, TypeError, LookupError) as error:
        raise UnreadableFile(_first_line(error)) from error


def _batches(source: pa.NativeFile) -> Iterator[pa.RecordBatch]:
    size = source.size()
    plain = pq.ParquetFile(source)
    if _footer_bytes(source) - plain.metadata.serialized_size == _SIGNATURE_BYTES:
        raise UnreadableFile("is encrypted, as the signature of its footer says: land it decrypted")
    if _is_joined(source, plain.metadata):
        raise UnreadableFile(
            "is several Parquet files one behind the other, of which the last alone would be read: "
            "land each by itself"
        )
    if plain.metadata.num_rows > _MOST_ROWS_PER_BYTE * size:
        raise UnreadableFile(f"claims {plain.metadata.num_rows:,} rows in {size:,} bytes")
    if not plain.schema_arrow.names:
        raise UnreadableFile("has no column")
    texts = {
        field.name
        for field in plain.schema_arrow
        if pa.types.is_string(field.type) or pa.types.is_binary(field.type)
    }
    by_prefix = texts & _delta_encoded(plain.metadata)
    # A text that a page holds once and names in every row stays one text in memory. Arrow cannot
    # do so for texts that are stored as changes of the text before.
    parquet = pq.ParquetFile(
        source,
        page_checksum_verification=True,
        buffer_size=_BUFFER_BYTES,
        read_dictionary=sorted(texts - by_prefix),
        coerce_int96_timestamp_unit=_INT96_UNIT,
    )
    batch_rows = _BATCH_ROWS_BY_PREFIX if by_prefix else _BATCH_ROWS
    row_count = 0
    for batch in parquet.iter_batches(batch_size=batch_rows, use_threads=False):
        row_count += batch.num_rows
        batch.validate()
        _check_indices(batch)
        yield batch
    if row_count != plain.metadata.num_rows:
        raise UnreadableFile(f"claims {plain.metadata.num_rows:,} rows and has {row_count:,}")


def _footer_bytes(source: pa.NativeFile) -> int:
    """Length of the footer, which the last eight bytes hold, before the magic."""
    source.seek(source.size() - 8)
    return int.from_bytes(source.read(4), "little")


def _is_joined(source: pa.NativeFile, metadata: pq.FileMetaData) -> bool:
    """Whether another file ends and begins between the columns' data and the footer.

    Only indices and Bloom filters lie there otherwise.
    """
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    chunks = [group.column(number) for group in groups for number in range(group.num_columns)]
    ends = [chunk.data_page_offset + chunk.total_compressed_size for chunk in chunks]
    start, end = max(ends, default=0), source.size() - _footer_bytes(source) - 8
    before = b""
    source.seek(min(start, end))
    while (left := end - source.tell()) > 0:
        block = before + source.read(min(left, _BUFFER_BYTES))
        if _JOINT in block:
            return True
        before = block[1 - len(_JOINT) :]
    return False


def _bounded(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The batch in parts that fit in memory once their dictionaries are decoded."""
    if batch.num_rows > 1 and _decoded_bytes(batch) > _MOST_BATCH_BYTES:
        half = batch.num_rows // 2
        yield from _bounded(batch.slice(0, half))
        yield from _bounded(batch.slice(half))
    else:
        yield batch


def _decoded_bytes(batch: pa.RecordBatch) -> int:
    """Bytes of a batch whose texts are dictionaries, which its parts share."""
    total = 0
    for column in batch.columns:
        if not pa.types.is_dictionary(column.type):
            total += column.nbytes
        elif column.type.value_type in {pa.string(), pa.binary()}:
            lengths = pc.binary_length(column.dictionary).cast(pa.int64())
            total += pc.sum(lengths.take(column.indices)).as_py() or 0
    return total


def _delta_encoded(metadata: pq.FileMetaData) -> set[str]:
    """Names of the columns with a page in one of Parquet's DELTA_ encodings."""
    chunks = (
        metadata.row_group(group).column(column)
        for group in range(metadata.num_row_groups)
        for column in range(metadata.num_columns)
    )
    return {
        chunk.path_in_schema
        for chunk in chunks
        if any(encoding.startswith("DELTA") for encoding in chunk.encodings)
    }


def _check_indices(batch: pa.RecordBatch) -> None:
    """Refuse texts that the dictionary lacks: a damaged page may name them, found late by Arrow."""
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if pa.types.is_dictionary(column.type):
            found = pc.min_max(column.indices).as_py()
            if found["min"] is not None and not (
                found["min"] >= 0 and found["max"] < len(column.dictionary)
            ):
                raise UnreadableFile(
                    f"column {name!r} names text {found['max']} of {len(column.dictionary)}"
                )


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
