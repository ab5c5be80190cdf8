"""Reads tensors of a TensorFlow 1 checkpoint bundle without TensorFlow.

A bundle is an index (a LevelDB-style sorted table from tensor name to position) and a shard of raw
little-endian numbers. LevelDB's `table_format.md` describes the layout of the index; its values are
`BundleEntryProto` messages of tensorflow/core/protobuf/tensor_bundle.proto.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_MAGIC = 0xDB4775248B80FB57  # last 8 bytes of every LevelDB-style table
_FOOTER_BYTES = 48
_TRAILER_BYTES = 5  # compression code and checksum after each block
_DT_FLOAT = 1  # DataType.DT_FLOAT of tensorflow/core/framework/types.proto
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # protobuf wire types
_DTYPE, _SHAPE, _SHARD, _OFFSET, _SIZE = 1, 2, 3, 4, 5  # fields of BundleEntryProto
_DIM, _DIM_SIZE = 2, 1  # TensorShapeProto.dim and its size


class CheckpointError(ValueError):
    """The files are no checkpoint bundle, or one that this reader does not support."""


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """Position of a tensor in the data shard: `byte_count` bytes from `offset`."""

    shape: tuple[int, ...]
    offset: int
    byte_count: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """An opened bundle: the entries of its index and the bytes of its only shard."""

    source: str
    entries: dict[str, TensorEntry]
    shard: bytes

    def tensor(self, name: str) -> NDArray[np.float32]:
        """The float32 tensor called `name`, in its saved shape.

        Raises:
            CheckpointError: there is no such tensor, or the shard is too short for it.
        """
        if name not in self.entries:
            raise CheckpointError(f"checkpoint {self.source}: no tensor is called {name!r}")
        entry = self.entries[name]
        end = entry.offset + entry.byte_count
        if end > len(self.shard) or entry.byte_count != 4 * math.prod(entry.shape):
            raise CheckpointError(
                f"checkpoint {self.source}: {name} {entry.shape} should lie in bytes "
                f"{entry.offset} to {end} of {len(self.shard)}; reinstall the package that holds it"
            )
        numbers = np.frombuffer(self.shard[entry.offset : end], dtype="<f4")
        return numbers.reshape(entry.shape)


def open_checkpoint(index_file: Path, shard_file: Path) -> Checkpoint:
    """Open a bundle with one shard."""
    source = str(index_file)
    entries = {
        key.decode(): _tensor_entry(value, source)
        for key, value in _table_entries(index_file.read_bytes(), source)
        if key  # the empty key holds the bundle's header
    }
    return Checkpoint(source, entries, shard_file.read_bytes())


def _table_entries(table: bytes, source: str) -> Iterator[tuple[bytes, bytes]]:
    """All keys and values of a sorted table: footer -> index block -> data blocks."""
    footer = table[-_FOOTER_BYTES:]
    if len(footer) < _FOOTER_BYTES or struct.unpack("<Q", footer[-8:])[0] != _MAGIC:
        raise CheckpointError(f"checkpoint {source}: does not end like a LevelDB table")
    position = 0
    for _ in range(2):  # offset and size of the meta index, which a bundle leaves empty
        _, position = _varint(footer, position)
    for _, handle in _block_entries(_block(table, footer, position, source)):
        yield from _block_entries(_block(table, handle, 0, source))


def _block(table: bytes, handle: bytes, position: int, source: str) -> bytes:
    """The block that a handle (offset, size) points to, without its trailer."""
    offset, position = _varint(handle, position)
    size, _ = _varint(handle, position)
    if offset + size + _TRAILER_BYTES > len(table):
        raise CheckpointError(f"checkpoint {source}: a block ends behind the end of the file")
    if table[offset + size] != 0:
        raise CheckpointError(f"checkpoint {source}: compressed blocks are not covered")
    return table[offset : offset + size]


def _block_entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a block; a key shares a prefix with the key before it."""
    (n_restarts,) = struct.unpack("<I", block[-4:])
    end = len(block) - 4 * (n_restarts + 1)
    key, position = b"", 0
    while position < end:
        n_shared, position = _varint(block, position)
        unshared, position = _varint(block, position)
        value_bytes, position = _varint(block, position)
        key = key[:n_shared] + block[position : position + unshared]
        position += unshared
        yield key, block[position : position + value_bytes]
        position += value_bytes


def _tensor_entry(message: bytes, source: str) -> TensorEntry:
    """Decode a BundleEntryProto; protobuf omits fields that are 0."""
    shape: tuple[int, ...] = ()
    numbers = {_DTYPE: 0, _SHARD: 0, _OFFSET: 0, _SIZE: 0}
    for field, value in _message_fields(message):
        if field == _SHAPE and isinstance(value, bytes):
            shape = _shape(value)
        elif field in numbers and isinstance(value, int):
            numbers[field] = value
    if numbers[_DTYPE] != _DT_FLOAT or numbers[_SHARD] != 0:
        raise CheckpointError(
            f"checkpoint {source}: only float32 in one shard is covered, found data type "
            f"{numbers[_DTYPE]} in shard {numbers[_SHARD]}"
        )
    return TensorEntry(shape, numbers[_OFFSET], numbers[_SIZE])


def _shape(message: bytes) -> tuple[int, ...]:
    sizes = []
    for field, dim in _message_fields(message):
        if field == _DIM and isinstance(dim, bytes):
            sizes.append(
                sum(v for f, v in _message_fields(dim) if f == _DIM_SIZE and isinstance(v, int))
            )
    return tuple(sizes)


def _message_fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers and raw values of a protobuf message."""
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        field, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            number, position = _varint(message, position)
            yield field, number
            continue
        if wire == _BYTES:
            size, position = _varint(message, position)
        elif wire in {_FIXED32, _FIXED64}:
            size = 4 if wire == _FIXED32 else 8
        else:
            raise CheckpointError(f"checkpoint: protobuf wire type {wire} is not known")
        yield field, message[position : position + size]
        position += size


def _varint(buffer: bytes, position: int) -> tuple[int, int]:
    """A base-128 varint and the position after it."""
    number = shift = 0
    while True:
        byte = buffer[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004  the high bit marks that more bytes follow
            return number, position
        shift += 7
