"""Nearest neighbours by blocks: Arrow batches in, Arrow batches out, NumPy between."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

MODALITIES = ("audio", "lyrics", "tags")

BLOCK_DDL = "block BIGINT, track_ids ARRAY<STRING>, audio BINARY, lyrics BINARY, tags BINARY"
NEAREST_DDL = "track_id STRING, similar_track_id STRING, score DOUBLE, modalities ARRAY<STRING>"

_BLOCK_SCHEMA = pa.schema(
    [
        ("block", pa.int64()),
        ("track_ids", pa.list_(pa.string())),
        ("audio", pa.binary()),
        ("lyrics", pa.binary()),
        ("tags", pa.binary()),
    ]
)
_NEAREST_SCHEMA = pa.schema(
    [
        ("track_id", pa.string()),
        ("similar_track_id", pa.string()),
        ("score", pa.float64()),
        ("modalities", pa.list_(pa.string())),
    ]
)
_DECIMALS = 4
_NOTHING_SHARED = -2.0  # below every cosine


def mean_vector(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The mean of a column of float lists, one row; no row when there is no vector."""
    total: np.ndarray | None = None
    count = 0
    for batch in batches:
        vectors = _matrix(batch.column(0))
        summed = vectors.astype(np.float64).sum(axis=0)
        total = summed if total is None else total + summed
        count += len(vectors)
    if total is not None and count:
        mean = pa.array([(total / count).astype(np.float32)], pa.list_(pa.float32()))
        yield pa.RecordBatch.from_arrays([mean], names=["mean"])


def packed_block(rows: pa.Table) -> pa.Table:
    """One block's tracks in id order.

    Vectors of unit length as float32 bytes, zeros where there is none.
    """
    ordered = rows.sort_by("track_id").combine_chunks()
    packed = {
        "block": [ordered.column("block")[0].as_py()],
        "track_ids": [ordered.column("track_id").to_pylist()],
    }
    for modality in MODALITIES:
        packed[modality] = [_unit_vectors(ordered.column(modality)).tobytes()]
    return pa.table(packed, schema=_BLOCK_SCHEMA)


def nearest_in_blocks(batches: Iterator[pa.RecordBatch], length: int) -> Iterator[pa.RecordBatch]:
    """Nearest tracks, for each pair of blocks.

    The `length` tracks of the second block that are nearest to each track of the first.
    """
    for batch in batches:
        for row in batch.to_pylist():
            yield _nearest_in_pair(row, length)


def _nearest_in_pair(row: dict[str, object], length: int) -> pa.RecordBatch:
    left = np.array(row["track_ids"], dtype=object)
    right = np.array(row["other_track_ids"], dtype=object)
    cosines, shared = _cosines(row, len(left), len(right))
    n_shared = shared.sum(axis=0)  # (left, right)
    mean = np.where(n_shared > 0, cosines.sum(axis=0) / np.maximum(n_shared, 1), _NOTHING_SHARED)
    mean = np.round(mean.astype(np.float64), _DECIMALS)
    mean[left[:, None] == right[None, :]] = _NOTHING_SHARED  # nobody is his own neighbour
    # Stable, over ids in order: equal scores come in id order, whatever the block's size.
    best = np.argsort(-mean, axis=1, kind="stable")[:, :length]
    rows, columns = np.nonzero(np.take_along_axis(mean, best, axis=1) > _NOTHING_SHARED)
    others = best[rows, columns]
    named = [
        [name for name, has in zip(MODALITIES, shared[:, i, j], strict=True) if has]
        for i, j in zip(rows, others, strict=True)
    ]
    return pa.RecordBatch.from_arrays(
        [
            pa.array(left[rows].tolist(), pa.string()),
            pa.array(right[others].tolist(), pa.string()),
            pa.array(np.clip(mean[rows, others], -1.0, 1.0)),
            pa.array(named, pa.list_(pa.string())),
        ],
        schema=_NEAREST_SCHEMA,
    )


def _cosines(row: dict[str, object], n_left: int, n_right: int) -> tuple[np.ndarray, np.ndarray]:
    """Per modality: cosines (0 where one has none), and whether both have it.

    Each (2, left, right).
    """
    cosines, shared = [], []
    for modality in MODALITIES:
        left = _from_bytes(row[modality], n_left)
        right = _from_bytes(row[f"other_{modality}"], n_right)
        if left.shape[1] and right.shape[1]:
            cosines.append(left @ right.T)
            shared.append(np.logical_and.outer(_has_vector(left), _has_vector(right)))
        else:
            cosines.append(np.zeros((n_left, n_right), np.float32))
            shared.append(np.zeros((n_left, n_right), bool))
    return np.stack(cosines), np.stack(shared)


def _has_vector(vectors: np.ndarray) -> np.ndarray:
    """Which rows are not the zeros that stand for none, (n,)."""
    return np.asarray(np.linalg.norm(vectors, axis=1) > 0)


def _from_bytes(content: object, n_rows: int) -> np.ndarray:
    vectors = np.frombuffer(content, dtype=np.float32)  # type: ignore[call-overload]  # bytes of a BINARY column
    return vectors.reshape(n_rows, -1) if vectors.size else np.zeros((n_rows, 0), np.float32)


def _unit_vectors(column: pa.ChunkedArray) -> np.ndarray:
    """Rows of unit length, (n, dim); a null or a zero vector gives zeros."""
    listed = column.combine_chunks()
    known = np.flatnonzero(listed.is_valid())
    if not len(known):
        return np.zeros((len(listed), 0), np.float32)
    vectors = _matrix(listed.drop_null())
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.zeros((len(listed), vectors.shape[1]), np.float32)
    unit[known] = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
    return unit


def _matrix(lists: pa.Array) -> np.ndarray:
    """(n, dim) float32 of a column of equally long lists without nulls."""
    values = np.asarray(lists.flatten(), dtype=np.float32)
    return values.reshape(len(lists), -1)
