"""Inverted lists of tracks (IVF), and which shards a track is stored in and compared with.

A collection (see track_vectors) is divided into lists, and the lists into shards of about
SHARD_TRACKS tracks. A track is stored in one shard, and a query goes to each shard that holds one
of its nearest lists. A collection that is searched exactly is one list over as many shards as it
needs, so each query goes to all of them. How many lists a track probes is measured on the sample
that trains them: as many as hold TARGET_RECALL of the nearest tracks.

Reference: Jegou, Douze and Schmid 2011, Product quantization for nearest neighbor search,
section IV. Differs from the paper: lists hold the vectors themselves, so scores are exact, and only
tracks outside of the probed lists can be missed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import faiss
import numpy as np
import pyarrow as pa

from jobs.recommendations.steps.track_vectors import unit_vectors

SHARD_TRACKS = 32_768
"""A task holds the vectors of one shard: 127 MB with 968 dimensions, whatever the catalogue."""

SAMPLE_TRACKS = 32_768
"""Lists are trained on about so many tracks of a collection."""

SAMPLE_TRACKS_PER_LIST = 32
ITERATIONS = 10
TARGET_RECALL = 0.97
"""Higher than what is promised (.95), because the sample estimates it."""

RECALL_QUERIES = 1_000
COLLECTIONS_DDL = (
    "pattern INT, space INT, collection INT, n_tracks BIGINT, is_large BOOLEAN, stride INT"
)
INDEX_DDL = (
    "space INT, collection INT, n_probes INT, centroids BINARY, first_shards ARRAY<INT>, "
    "shard_counts ARRAY<INT>"
)
LISTS_COLUMNS = ("n_probes", "centroids", "first_shards", "shard_counts")
"""Columns of INDEX_DDL that are null for a collection without lists."""

ENTRY_DDL = (
    "space INT, collection INT, track_id STRING, list INT, probes ARRAY<INT>, "
    "shards ARRAY<INT>, vector BINARY"
)

_COLLECTIONS_SCHEMA = pa.schema(
    [
        ("pattern", pa.int32()),
        ("space", pa.int32()),
        ("collection", pa.int32()),
        ("n_tracks", pa.int64()),
        ("is_large", pa.bool_()),
        ("stride", pa.int32()),
    ]
)
_INDEX_SCHEMA = pa.schema(
    [
        ("space", pa.int32()),
        ("collection", pa.int32()),
        ("n_probes", pa.int32()),
        ("centroids", pa.binary()),
        ("first_shards", pa.list_(pa.int32())),
        ("shard_counts", pa.list_(pa.int32())),
    ]
)
_ENTRY_SCHEMA = pa.schema(
    [
        ("space", pa.int32()),
        ("collection", pa.int32()),
        ("track_id", pa.string()),
        ("list", pa.int32()),
        ("probes", pa.list_(pa.int32())),
        ("shards", pa.list_(pa.int32())),
        ("vector", pa.binary()),
    ]
)


@dataclass(frozen=True, slots=True)
class Lists:
    """The lists of one collection.

    Attributes:
        centroids: float32, shape (lists, dim); None when all tracks are in one list.
        first_shards: by list, its first shard, shape (lists,).
        shard_counts: by list, over how many consecutive shards its tracks are spread.
        n_probes: number of lists that a track is compared with.
    """

    centroids: np.ndarray | None
    first_shards: np.ndarray
    shard_counts: np.ndarray
    n_probes: int

    @classmethod
    def of_collection(cls, row: Mapping[str, Any]) -> Lists:
        """The lists of a row of INDEX_DDL; without centroids one list of its n_tracks tracks."""
        if row["centroids"] is None:
            shard_count = -(-row["n_tracks"] // SHARD_TRACKS)
            return cls(None, np.zeros(1, np.int32), np.array([shard_count]), 1)
        first_shards = np.array(row["first_shards"], np.int32)
        centroids = np.frombuffer(row["centroids"], np.float32).reshape(len(first_shards), -1)
        shard_counts = np.array(row["shard_counts"], np.int32)
        return cls(centroids, first_shards, shard_counts, row["n_probes"])

    def nearest(self, vectors: np.ndarray) -> np.ndarray:
        """Numbers of the lists that a query probes, nearest first, int32 (n, probes)."""
        if self.centroids is None:
            return np.zeros((len(vectors), 1), np.int32)
        return _nearest_rows(vectors, self.centroids, self.n_probes).astype(np.int32)

    def shards_of(self, probes: np.ndarray) -> np.ndarray:
        """Whether a query must be compared with a shard, shape (n, shards)."""
        ends = self.first_shards + self.shard_counts
        shards = np.arange(ends.max())
        holds_list = (shards >= self.first_shards[:, None]) & (shards < ends[:, None])
        reached = np.zeros((len(probes), len(shards)), bool)
        for nth_nearest in probes.T:
            reached |= holds_list[nth_nearest]
        return reached


def describe_collections(
    batches: Iterator[pa.RecordBatch], exact_tracks: int
) -> Iterator[pa.RecordBatch]:
    """List the collections that each pattern is stored in or compared with (COLLECTIONS_DDL).

    A collection is large when its tracks by its queries are more than `exact_tracks` squared. One
    of `stride` tracks of the pattern is sampled; null when none of its collections is large.

    Args:
        batches: pattern and n_tracks, one row a pattern, all in one partition.
        exact_tracks: the setting lists.similar_exact_tracks.
    """
    rows = [row for batch in batches for row in batch.to_pylist()]
    counts = {row["pattern"]: row["n_tracks"] for row in rows}
    n_queries = Counter[tuple[int, int]]()
    for pattern, stored in product(counts, counts):
        n_queries[pattern & stored, stored] += counts[pattern]
    large = {key for key, n in n_queries.items() if n * counts[key[1]] > exact_tracks**2}
    described = [
        {
            "pattern": pattern,
            "space": space,
            "collection": stored,
            "n_tracks": counts[stored],
            "is_large": (space, stored) in large,
            "stride": -(-counts[pattern] // SAMPLE_TRACKS)
            if any(space and stored == pattern for space, stored in large)
            else None,
        }
        for pattern, (space, stored) in product(sorted(counts), sorted(n_queries))
        if space and (pattern == stored or pattern & stored == space)
    ]
    yield pa.RecordBatch.from_pylist(described, schema=_COLLECTIONS_SCHEMA)


def train_lists(blocks: pa.Table, seed: int, length: int) -> pa.Table:
    """Train the lists of one collection by spherical k-means, and divide them into shards.

    Args:
        blocks: the sample: blocks (see `unit_vectors`) of the collection's pattern, with the
            columns space, collection and n_tracks, the number of tracks in the collection.
        seed: of the k-means.
        length: neighbours that a track needs.

    Returns:
        One row of INDEX_DDL; the same for the same sample, however it is divided into blocks.
    """
    faiss.omp_set_num_threads(1)  # a Spark task has one core
    rows = blocks.to_pylist()
    space, n_tracks = rows[0]["space"], rows[0]["n_tracks"]
    track_ids = np.concatenate([np.array(row["track_ids"], object) for row in rows])
    vectors = np.concatenate([unit_vectors(row, space) for row in rows])
    sample = vectors[np.argsort(track_ids)]
    centroids = _centroids(sample, n_lists_for(n_tracks, len(sample)), seed)
    own_list = _nearest_rows(sample, centroids, 1)[:, 0]
    sizes = np.bincount(own_list, minlength=len(centroids)) * (n_tracks / len(sample))
    first_shards, shard_counts = divide_lists(centroids, sizes)
    # The first of the sample's neighbours are as near as the first `length` of all tracks.
    n_neighbours = max(1, round(length * len(sample) / n_tracks))
    row = {
        "space": space,
        "collection": rows[0]["collection"],
        "n_probes": probes_for_recall(sample, centroids, own_list, n_neighbours),
        "centroids": centroids.tobytes(),
        "first_shards": first_shards,
        "shard_counts": shard_counts,
    }
    return pa.Table.from_pylist([row], schema=_INDEX_SCHEMA)


def n_lists_for(n_tracks: int, n_sampled: int) -> int:
    """Number of lists: twice the root of the tracks, as far as the sample can train them."""
    return max(1, min(round(2 * math.sqrt(n_tracks)), n_sampled // SAMPLE_TRACKS_PER_LIST))


def probes_for_recall(
    sample: np.ndarray, centroids: np.ndarray, own_list: np.ndarray, n_neighbours: int
) -> int:
    """Count the lists that hold TARGET_RECALL of the nearest tracks.

    In a catalogue without clusters these are most lists: recall is promised, and not the time.

    Args:
        sample: float32 (n, dim).
        centroids: float32 (lists, dim).
        own_list: the list of each track of the sample, shape (n,).
        n_neighbours: nearest tracks that count, for each of RECALL_QUERIES tracks.
    """
    queries = np.arange(0, len(sample), -(-len(sample) // RECALL_QUERIES))
    nearest = _nearest_rows(sample[queries], sample, min(n_neighbours + 1, len(sample)))
    in_order = _nearest_rows(sample[queries], centroids, len(centroids))
    is_listed = own_list[nearest][:, :, None] == in_order[:, None, :]
    ranks_of_others = is_listed.argmax(axis=2)[nearest != queries[:, None]]
    if not len(ranks_of_others):
        return 1
    return int(np.quantile(ranks_of_others, TARGET_RECALL, method="higher")) + 1


def divide_lists(centroids: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Divide lists into shards of neighbouring lists, by halves across the principal axis.

    A shard has up to 1.5 times SHARD_TRACKS tracks by the sample's estimate. A list that is larger
    gets several shards, so that many equal vectors (tracks with one common tag and no other
    content) do not make a shard grow with the catalogue.

    Args:
        centroids: shape (lists, dim).
        sizes: expected tracks of each list, shape (lists,).

    Returns:
        By list, its first shard and its number of shards; both of shape (lists,).
    """
    first_shards = np.zeros(len(sizes), np.int32)
    shard_counts = np.zeros(len(sizes), np.int32)
    next_shard = 0
    for lists in _halved(np.arange(len(sizes)), centroids, sizes):
        n_shards = _n_shards(sizes[lists])
        first_shards[lists], shard_counts[lists] = next_shard, n_shards
        next_shard += n_shards
    return first_shards, shard_counts


def route_blocks(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Give each track, for each collection, its vector, list, probes and shards (ENTRY_DDL).

    The first of the shards stores the track, and is null when the collection has another pattern.
    The others compare the track; there is none when it meets the collection in another space.

    Args:
        batches: blocks (see `unit_vectors`) with a column collections: structs of the columns of
            INDEX_DDL and n_tracks.
    """
    faiss.omp_set_num_threads(1)  # a Spark task has one core
    for batch in batches:
        for block in batch.to_pylist():
            for collection in block["collections"]:
                yield _routed(block, collection)


def _routed(block: Mapping[str, Any], collection: Mapping[str, Any]) -> pa.RecordBatch:
    lists, space, stored = (
        Lists.of_collection(collection),
        collection["space"],
        collection["collection"],
    )
    vectors = unit_vectors(block, space)
    probes = lists.nearest(vectors)
    own_list = probes[:, 0]
    own_shard = lists.first_shards[own_list] + np.mod(
        np.array(block["id_hashes"]), lists.shard_counts[own_list]
    )
    reached = lists.shards_of(probes) & (block["pattern"] & stored == space)
    n_tracks = len(vectors)
    columns = [
        pa.array(np.full(n_tracks, space, np.int32)),
        pa.array(np.full(n_tracks, stored, np.int32)),
        pa.array(block["track_ids"], pa.string()),
        pa.array(own_list),
        _lists_of_ints(probes.ravel(), np.full(n_tracks, probes.shape[1])),
        _own_and_reached(own_shard, reached, is_stored=block["pattern"] == stored),
        _binaries(vectors),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=_ENTRY_SCHEMA)


def _own_and_reached(
    own_shard: np.ndarray, reached: np.ndarray, *, is_stored: bool
) -> pa.ListArray:
    """A list for each track: the shard that stores it or null, then the shards that compare it."""
    counts = 1 + reached.sum(axis=1)
    starts = np.cumsum(counts) - counts
    values = np.empty(counts.sum(), np.int32)
    is_reached = np.ones(len(values), bool)
    is_reached[starts] = False
    values[starts] = own_shard
    values[is_reached] = np.nonzero(reached)[1]
    is_null = ~is_reached & (not is_stored)
    return _lists_of_ints(values, counts, is_null)


def _lists_of_ints(
    values: np.ndarray, counts: np.ndarray, is_null: np.ndarray | None = None
) -> pa.ListArray:
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    integers = pa.array(values.astype(np.int32), mask=is_null)
    return pa.ListArray.from_arrays(pa.array(offsets), integers)


def _binaries(vectors: np.ndarray) -> pa.Array:
    """A BINARY column of the rows' bytes."""
    contiguous = np.ascontiguousarray(vectors)
    offsets = np.arange(len(vectors) + 1, dtype=np.int32) * contiguous[:1].nbytes
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(contiguous)]
    return pa.Array.from_buffers(pa.binary(), len(vectors), buffers)


def _centroids(sample: np.ndarray, n_lists: int, seed: int) -> np.ndarray:
    """Centroids of unit length, float32, shape (n_lists, dim)."""
    means = faiss.Kmeans(
        sample.shape[1],
        n_lists,
        niter=ITERATIONS,
        seed=seed % 2**31,
        spherical=True,
        min_points_per_centroid=1,
        max_points_per_centroid=len(sample),
    )
    means.train(sample)
    return np.asarray(means.centroids, np.float32).reshape(n_lists, -1)


def _halved(lists: np.ndarray, centroids: np.ndarray, sizes: np.ndarray) -> list[np.ndarray]:
    """Groups of lists, each of about SHARD_TRACKS tracks or of one list."""
    n_shards = _n_shards(sizes[lists])
    if len(lists) == 1 or n_shards == 1:
        return [lists]
    centred = centroids[lists] - centroids[lists].mean(axis=0)
    principal_axis = np.linalg.svd(centred, full_matrices=False)[2][0]
    in_order = lists[np.argsort(centred @ principal_axis, kind="stable")]
    until = np.cumsum(sizes[in_order])
    first_half = until[-1] * (n_shards // 2) / n_shards
    middle = int(np.clip(np.searchsorted(until, first_half) + 1, 1, len(lists) - 1))
    return [
        group
        for half in (in_order[:middle], in_order[middle:])
        for group in _halved(half, centroids, sizes)
    ]


def _n_shards(sizes: np.ndarray) -> int:
    return max(1, round(float(sizes.sum()) / SHARD_TRACKS))


def _nearest_rows(queries: np.ndarray, vectors: np.ndarray, n_nearest: int) -> np.ndarray:
    """Rows of `vectors` with the largest inner products, largest first, int64 (n, n_nearest)."""
    _, rows = faiss.knn(queries, vectors, n_nearest, metric=faiss.METRIC_INNER_PRODUCT)
    return np.asarray(rows)
