"""Rows of Arrow batches as byte records of one width, so that equal rows have equal bytes.

A value is a byte that tells whether it is there, then its bytes: those of a number, or the SHA-256
of a string, binary or list. Every NaN is the same value, and not null.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

if TYPE_CHECKING:
    from numpy.typing import NDArray

HASH_BYTES = hashlib.sha256().digest_size


def row_records(batch: pa.RecordBatch) -> NDArray[np.uint8]:
    """One record a row, shape (n_rows, width)."""
    return _side_by_side([_records(column) for column in batch.columns])


def hashes_of(contents: Iterable[bytes]) -> NDArray[np.uint8]:
    """SHA-256 of each content, shape (n, HASH_BYTES)."""
    digests = b"".join([hashlib.sha256(content).digest() for content in contents])
    return np.frombuffer(digests, dtype=np.uint8).reshape(-1, HASH_BYTES)


def bytes_of(records: NDArray[np.uint8]) -> list[bytes]:
    """The bytes of each record."""
    return list(records.view(f"V{records.shape[1]}").ravel().tolist())


def _records(values: pa.Array) -> NDArray[np.uint8]:
    """One record a value, shape (n, width)."""
    is_valid = values.is_valid().to_numpy(zero_copy_only=False)[:, None]
    return _side_by_side([is_valid.view(np.uint8), np.where(is_valid, _content(values), 0)])


def _content(values: pa.Array) -> NDArray[np.uint8]:
    """The bytes of each value, shape (n, width); anything where it is null."""
    kind = values.type
    if types.is_struct(kind):
        return _side_by_side([_records(field) for field in values.flatten()])
    if types.is_list(kind):
        return _list_hashes(values)
    if types.is_string(kind) or types.is_binary(kind):
        return _text_hashes(values)
    return _number_bytes(values)


def _number_bytes(values: pa.Array) -> NDArray[np.uint8]:
    kind = values.type
    if types.is_temporal(kind) or types.is_boolean(kind):
        values = values.cast({1: pa.uint8(), 32: pa.int32(), 64: pa.int64()}[kind.bit_width])
    numbers = np.array(values.fill_null(0))
    if types.is_floating(kind):
        numbers[np.isnan(numbers)] = np.nan
    return numbers.view(np.uint8).reshape(len(numbers), numbers.itemsize)


def _text_hashes(values: pa.Array) -> NDArray[np.uint8]:
    """Hashes each distinct value once: a batch repeats users, families and days."""
    coded = values.dictionary_encode()
    hashes = hashes_of([b"", *coded.dictionary.cast(pa.large_binary()).to_pylist()])
    places = np.array(coded.indices.cast(pa.int64()).fill_null(-1)) + 1
    return hashes.take(places, axis=0)


def _list_hashes(values: pa.Array) -> NDArray[np.uint8]:
    """Hashes the records of a list's elements: they have one width, so no other list has them."""
    elements = _records(values.flatten())
    lengths = np.array(pc.list_value_length(values).fill_null(0), dtype=np.int64)
    ends = np.concatenate([[0], np.cumsum(lengths * elements.shape[1])]).astype(np.int64)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(elements)]
    return _text_hashes(pa.Array.from_buffers(pa.large_binary(), len(values), buffers))


def _side_by_side(parts: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    return np.concatenate(parts, axis=1)
