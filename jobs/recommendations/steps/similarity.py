"""Exact nearest-neighbour search over blocks of tracks, in NumPy on Arrow batches."""

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
_NO_COMMON_MODALITY = -2.0  # below every cosine


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


def pack_block(rows: pa.Table) -> pa.Table:
    """One row: the block's track ids in order, and per modality float32 bytes of unit vectors.

    A track without a vector has zeros.
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
    """For each pair of blocks, the `length` nearest tracks of the second to each of the first."""
    for batch in batches:
        for row in batch.to_pylist():
            yield _nearest_in_block_pair(row, length)


def _nearest_in_block_pair(row: dict[str, object], length: int) -> pa.RecordBatch:
    left = np.array(row["track_ids"], dtype=object)
    right = np.array(row["other_track_ids"], dtype=object)
    cosines, both_have = _cosines(row, len(left), len(right))
    n_common = both_have.sum(axis=0)  # (left, right)
    mean = np.where(
        n_common > 0, cosines.sum(axis=0) / np.maximum(n_common, 1), _NO_COMMON_MODALITY
    )
    mean = np.round(mean.astype(np.float64), _DECIMALS)
    mean[left[:, None] == right[None, :]] = _NO_COMMON_MODALITY  # a track is not its own neighbour
    # A stable sort over ids in order: equal scores come in id order for every block size.
    best = np.argsort(-mean, axis=1, kind="stable")[:, :length]
    rows, columns = np.nonzero(np.take_along_axis(mean, best, axis=1) > _NO_COMMON_MODALITY)
    others = best[rows, columns]
    modalities = [
        [name for name, has in zip(MODALITIES, both_have[:, i, j], strict=True) if has]
        for i, j in zip(rows, others, strict=True)
    ]
    return pa.RecordBatch.from_arrays(
        [
            pa.array(left[rows].tolist(), pa.string()),
            pa.array(right[others].tolist(), pa.string()),
            pa.array(np.clip(mean[rows, others], -1.0, 1.0)),
            pa.array(modalities, pa.list_(pa.string())),
        ],
        schema=_NEAREST_SCHEMA,
    )


def _cosines(row: dict[str, object], n_left: int, n_right: int) -> tuple[np.ndarray, np.ndarray]:
    """Cosines (0 where a track lacks the modality), and whether both tracks have the modality.

    Both have the shape (modality, left, right).
    """
    cosines, both_have = [], []
    for modality in MODALITIES:
        left = _from_bytes(row[modality], n_left)
        right = _from_bytes(row[f"other_{modality}"], n_right)
        if left.shape[1] and right.shape[1]:
            cosines.append(left @ right.T)
            both_have.append(np.logical_and.outer(_has_vector(left), _has_vector(right)))
        else:
            cosines.append(np.zeros((n_left, n_right), np.float32))
            both_have.append(np.zeros((n_left, n_right), bool))
    return np.stack(cosines), np.stack(both_have)


def _has_vector(vectors: np.ndarray) -> np.ndarray:
    """True for rows that are not all zeros, which mean no vector; shape (n,)."""
    return np.asarray(np.linalg.norm(vectors, axis=1) > 0)


def _from_bytes(content: object, n_rows: int) -> np.ndarray:
    vectors = np.frombuffer(content, dtype=np.float32)  # type: ignore[call-overload]  # bytes of a BINARY column
    return vectors.reshape(n_rows, -1) if vectors.size else np.zeros((n_rows, 0), np.float32)


def _unit_vectors(column: pa.ChunkedArray) -> np.ndarray:
    """Rows of unit length, shape (n, dim); a null or zero vector gives zeros."""
    listed = column.combine_chunks()
    valid = np.flatnonzero(listed.is_valid())
    if not len(valid):
        return np.zeros((len(listed), 0), np.float32)
    vectors = _matrix(listed.drop_null())
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.zeros((len(listed), vectors.shape[1]), np.float32)
    unit[valid] = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
    return unit


def _matrix(lists: pa.Array) -> np.ndarray:
    """A float32 matrix (n, dim) of a column of equally long lists without nulls."""
    values = np.asarray(lists.flatten(), dtype=np.float32)
    return values.reshape(len(lists), -1)
