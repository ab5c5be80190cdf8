"""Vectors of tracks: the catalogue's mean, packed blocks, and unit vectors of a set of modalities.

A set of modalities is an integer with one bit a modality. The pattern of a track is the set that it
has. The space of a pair of tracks is the set that both have, the intersection of their patterns. A
collection is the tracks of one pattern with the vectors of one space: a track is compared with the
collections whose space is what it has in common with their pattern. There are at most 19, or one
where tracks have trained vectors instead of all others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

TRAINED = "trained"
"""The vectors of the family that was trained for similar tracks, which stand in for all others."""
CONTENT_MODALITIES = ("audio", "lyrics", "tags")
MODALITIES = (*CONTENT_MODALITIES, TRAINED)

MEAN_DDL = "mean ARRAY<FLOAT>"
BLOCK_DDL = (
    "pattern INT, track_ids ARRAY<STRING>, id_hashes ARRAY<BIGINT>, "
    "audio BINARY, lyrics BINARY, tags BINARY, trained BINARY"
)

_BLOCK_SCHEMA = pa.schema(
    [
        ("pattern", pa.int32()),
        ("track_ids", pa.list_(pa.string())),
        ("id_hashes", pa.list_(pa.int64())),
        *[(modality, pa.binary()) for modality in MODALITIES],
    ]
)


def bit_of(modality: str) -> int:
    """The set that holds this modality alone."""
    return 1 << MODALITIES.index(modality)


def modalities_in(modality_set: int) -> list[str]:
    """Names of the modalities in a set, in the order of MODALITIES."""
    return [modality for modality in MODALITIES if modality_set & bit_of(modality)]


def mean_vector(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Average a column of float lists: one row; no row when there is no vector."""
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


def pack_blocks(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Pack each batch of tracks into one row a pattern, with float32 bytes of each modality.

    Args:
        batches: track_id, pattern, id_hash, and a list of floats or null for each modality.
    """
    for batch in batches:
        patterns = batch.column("pattern").to_numpy()
        for pattern in np.unique(patterns):
            yield _block(int(pattern), batch.filter(pa.array(patterns == pattern)))


def unit_vectors(block: Mapping[str, Any], modality_set: int) -> np.ndarray:
    """Vectors less the catalogue's mean; each modality's part has length 1.

    The inner product of two rows is the sum of the cosines of the modalities.

    Args:
        block: a row of BLOCK_DDL, and the list <modality>_mean for each modality in the set.
        modality_set: a subset of the block's pattern.

    Returns:
        float32, shape (tracks of the block, dimensions of the modalities in the set).
    """
    n_tracks = len(block["track_ids"])
    parts = []
    for modality in modalities_in(modality_set):
        vectors = np.frombuffer(block[modality], np.float32).reshape(n_tracks, -1)
        centred = vectors - np.array(block[f"{modality}_mean"], np.float32)
        # Squares of the smallest floats would be zero in float32.
        length = np.linalg.norm(centred.astype(np.float64), axis=1, keepdims=True)
        parts.append((centred / length).astype(np.float32))
    return np.hstack(parts)


def _block(pattern: int, tracks: pa.RecordBatch) -> pa.RecordBatch:
    row: dict[str, object] = {
        "pattern": pattern,
        "track_ids": tracks.column("track_id").to_pylist(),
        "id_hashes": tracks.column("id_hash").to_pylist(),
    }
    for modality in modalities_in(pattern):
        row[modality] = _matrix(tracks.column(modality)).tobytes()
    return pa.RecordBatch.from_pylist([row], schema=_BLOCK_SCHEMA)


def _matrix(lists: pa.Array) -> np.ndarray:
    """A float32 matrix (n, dim) of a column of equally long lists without nulls."""
    values = np.asarray(lists.flatten(), dtype=np.float32)
    return values.reshape(len(lists), -1)
