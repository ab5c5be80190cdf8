"""Nearest tracks inside one shard: candidates by faiss in float32, exact scores in float64.

A score is the mean cosine over the modalities of the shard's space, rounded to 4 decimals. Equal
scores come in the order of track ids. faiss finds some more tracks than the list has places; when
one that it left out could still belong into the list, all tracks of the shard's list are scored.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.recommendations.steps.track_vectors import modalities_in

SCORE_STEPS = 10_000
"""Scores are whole multiples of 1 / SCORE_STEPS."""

EXTRA_CANDIDATES = 10
"""Tracks that faiss finds beyond the length of the list: the track itself, and ties."""

SHARD_KEYS = ("space", "collection", "shard", "is_query")
"""Rows of one shard and role have these in common."""

FOUND_DDL = (
    "track_id STRING, neighbours ARRAY<STRUCT<descending INT, similar_track_id STRING, space INT>>"
)

_NEIGHBOUR_TYPE = pa.struct(
    [
        ("descending", pa.int32()),  # the score in steps, negative, so that the best sorts first
        ("similar_track_id", pa.string()),
        ("space", pa.int32()),
    ]
)
_FOUND_SCHEMA = pa.schema([("track_id", pa.string()), ("neighbours", pa.list_(_NEIGHBOUR_TYPE))])

_NOTHING = np.iinfo(np.int64).min
_PAIRS_AT_ONCE = 2_048
_SCORES_AT_ONCE = 1_024, 2_048  # queries and tracks


@dataclass(frozen=True, slots=True)
class Segment:
    """Consecutive tracks of a shard that are in one list of the index."""

    list_number: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Shard:
    """The tracks that a query is compared with.

    Attributes:
        space: the set of modalities that the vectors hold.
        track_ids: their ids, strings.
        id_ranks: rank of each track's id among them, int64 (n,).
        vectors: float32 (n, dim); each modality's part has length 1.
        segments: the tracks by list.
    """

    space: int
    track_ids: pa.Array
    id_ranks: np.ndarray
    vectors: np.ndarray
    segments: list[Segment]

    @classmethod
    def of_rows(cls, stored: list[pa.RecordBatch]) -> Shard:
        """The shard that these rows, in the order of their lists, are stored in."""
        track_ids = pa.concat_arrays([rows.column("track_id") for rows in stored])
        lists = np.concatenate([rows.column("list").to_numpy() for rows in stored])
        id_ranks = np.empty(len(track_ids), np.int64)
        id_ranks[pc.array_sort_indices(track_ids).to_numpy()] = np.arange(len(track_ids))
        starts = _starts(lists)
        return cls(
            space=stored[0].column("space")[0].as_py(),
            track_ids=track_ids,
            id_ranks=id_ranks,
            vectors=np.concatenate([_matrix(rows.column("vector")) for rows in stored]),
            segments=[
                Segment(int(lists[start]), start, end)
                for start, end in zip(starts, [*starts[1:], len(lists)], strict=True)
            ],
        )

    @property
    def n_modalities(self) -> int:
        """Number of modalities in the space."""
        return len(modalities_in(self.space))


def nearest_in_shards(batches: Iterator[pa.RecordBatch], length: int) -> Iterator[pa.RecordBatch]:
    """For each query and shard, the `length` nearest tracks of the shard (FOUND_DDL).

    Args:
        batches: rows of ENTRY_DDL with shard and is_query instead of shards; the rows of a shard
            follow each other: stored tracks by list, then queries.
        length: tracks in a list of similar tracks.
    """
    faiss.omp_set_num_threads(1)  # a Spark task has one core
    key, stored, shard = None, list[pa.RecordBatch](), None
    for rows in _runs(batches):
        *new_key, is_query = (rows.column(name)[0].as_py() for name in SHARD_KEYS)
        if new_key != key:
            key, stored, shard = new_key, [], None
        if not is_query:
            stored.append(rows)
            continue
        if stored:
            shard, stored = Shard.of_rows(stored), []
        if shard is not None:  # the hashes of a few ids may leave a shard without a track
            yield _nearest(shard, rows, length)


def _runs(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The batches, cut where the shard changes and where its queries begin."""
    for batch in batches:
        keys = [batch.column(name).to_numpy(zero_copy_only=False) for name in SHARD_KEYS]
        starts = _starts(*keys)
        for start, end in zip(starts, [*starts[1:], batch.num_rows], strict=True):
            yield batch.slice(start, end - start)


def _starts(*keys: np.ndarray) -> list[int]:
    """Positions at which any of the keys differs from the row before; 0 is one of them."""
    changes = np.logical_or.reduce([key[1:] != key[:-1] for key in keys])
    return [0, *(np.flatnonzero(changes) + 1).tolist()] if len(keys[0]) else []


def _nearest(shard: Shard, rows: pa.RecordBatch, length: int) -> pa.RecordBatch:
    """The nearest tracks of one shard, by query."""
    queries = _matrix(rows.column("vector"))
    probes = np.asarray(rows.column("probes").flatten()).reshape(len(rows), -1)
    own = pc.index_in(rows.column("track_id"), shard.track_ids).fill_null(-1).to_numpy()
    best = np.full((len(rows), length), _NOTHING)
    for segment in shard.segments:
        chosen = np.flatnonzero((probes == segment.list_number).any(axis=1))
        if len(chosen):
            best[chosen] = _merge_segment(
                best[chosen], queries[chosen], own[chosen], shard, segment
            )
    return _found(shard, rows.column("track_id"), best)


def _merge_segment(
    best: np.ndarray, queries: np.ndarray, own: np.ndarray, shard: Shard, segment: Segment
) -> np.ndarray:
    """The best keys after a segment, shape (queries, length), best first.

    Args:
        best: the best keys before it.
        queries: float32 (queries, dim).
        own: position in the shard of the query's own track; -1 when another shard stores it.
        shard: holds the segment.
        segment: the tracks that are compared.
    """
    length, dim = best.shape[1], queries.shape[1]
    tracks = shard.vectors[segment.start : segment.end]
    depth = min(length + EXTRA_CANDIDATES, len(tracks))
    sums, columns = faiss.knn(queries, tracks, depth, metric=faiss.METRIC_INNER_PRODUCT)
    # A float32 product of unit vectors is off by less than dim * 2^-24 for each modality
    # (Higham 2002, Accuracy and Stability of Numerical Algorithms, section 3.1); doubled for the
    # unit vectors' own rounding. Half a step is what rounding the score adds.
    slack = 0.5 / SCORE_STEPS + dim * 2.0**-23
    scores = sums / shard.n_modalities + slack  # no exact score is higher
    rows, ranks = np.nonzero(scores >= _last_scores(best, shard)[:, None])
    columns = segment.start + columns
    keys = np.full(columns.shape, _NOTHING)
    keys[rows, ranks] = _pair_keys(shard, queries, rows, columns[rows, ranks])
    keys[columns == own[:, None]] = _NOTHING  # a track is not its own neighbour
    merged = _merge(best, keys)
    if depth < len(tracks):
        is_open = np.flatnonzero(scores[:, -1] >= _last_scores(merged, shard))
        for some in np.array_split(is_open, -(-len(is_open) // _SCORES_AT_ONCE[0]) or 1):
            merged[some] = _merge_all(best[some], queries[some], own[some], shard, segment)
    return merged


def _merge_all(
    best: np.ndarray, queries: np.ndarray, own: np.ndarray, shard: Shard, segment: Segment
) -> np.ndarray:
    """As `_merge_segment`, but every track of the segment is scored in float64."""
    wide_queries = queries.astype(np.float64)
    for start in range(segment.start, segment.end, _SCORES_AT_ONCE[1]):
        columns = np.arange(start, min(start + _SCORES_AT_ONCE[1], segment.end))
        sums = wide_queries @ shard.vectors[columns].astype(np.float64).T
        keys = _keys(shard, sums, columns)
        keys[columns == own[:, None]] = _NOTHING
        best = _merge(best, keys)
    return best


def _merge(best: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """The largest of both, as many as `best` has, largest first."""
    length = best.shape[1]
    candidates = np.concatenate([best, keys], axis=1)
    if candidates.shape[1] > 4 * length:
        candidates = np.partition(candidates, -length, axis=1)[:, -length:]
    return np.sort(candidates, axis=1)[:, : -length - 1 : -1]


def _pair_keys(
    shard: Shard, queries: np.ndarray, rows: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """Keys of pairs (query, position in the shard), in float64 whatever other pairs there are."""
    sums = np.empty(len(rows))
    for start in range(0, len(rows), _PAIRS_AT_ONCE):
        some = slice(start, start + _PAIRS_AT_ONCE)
        products = queries[rows[some]].astype(np.float64) * shard.vectors[columns[some]]
        sums[some] = products.sum(axis=1)
    return _keys(shard, sums, columns)


def _keys(shard: Shard, sums: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """One integer for score and id: the larger, the earlier in the list.

    Args:
        shard: holds the tracks.
        sums: sums of cosines, float64 (..., n).
        columns: position in the shard of each track, shape (n,).
    """
    # Ten decimals first: the order of adding changes the sixteenth, and must not decide whether a
    # score that lies between two steps is rounded up or down.
    scores = np.round(np.clip(sums / shard.n_modalities, -1.0, 1.0), 10)
    steps = np.rint(scores * SCORE_STEPS).astype(np.int64)
    n_tracks = len(shard.id_ranks)
    return np.asarray(steps * n_tracks + (n_tracks - 1 - shard.id_ranks[columns]))


def _last_scores(best: np.ndarray, shard: Shard) -> np.ndarray:
    """Score of the last place of each list, shape (queries,); -inf while the list is not full."""
    last = best[:, -1]
    scores = (last // len(shard.id_ranks)) / SCORE_STEPS
    return np.where(last == _NOTHING, -np.inf, scores)


def _found(shard: Shard, track_ids: pa.Array, best: np.ndarray) -> pa.RecordBatch:
    """Rows of FOUND_DDL of the best keys."""
    n_tracks = len(shard.id_ranks)
    is_found = best != _NOTHING
    steps, ranks_from_last = np.divmod(best[is_found], n_tracks)
    by_rank = np.argsort(shard.id_ranks)
    neighbours = pa.StructArray.from_arrays(
        [
            pa.array((-steps).astype(np.int32)),
            shard.track_ids.take(pa.array(by_rank[n_tracks - 1 - ranks_from_last])),
            pa.array(np.full(len(steps), shard.space, np.int32)),
        ],
        fields=list(_NEIGHBOUR_TYPE),
    )
    offsets = np.concatenate([[0], np.cumsum(is_found.sum(axis=1))]).astype(np.int32)
    lists = pa.ListArray.from_arrays(pa.array(offsets), neighbours)
    return pa.RecordBatch.from_arrays([track_ids, lists], schema=_FOUND_SCHEMA)


def _matrix(column: pa.Array) -> np.ndarray:
    """Float32 rows (n, dim) of a BINARY column without nulls, without a copy."""
    _, offset_buffer, content = column.buffers()
    offsets = np.frombuffer(offset_buffer, np.int32)[column.offset :][: len(column) + 1]
    values = np.frombuffer(content, np.float32)[offsets[0] // 4 : offsets[-1] // 4]
    return values.reshape(len(column), -1)
