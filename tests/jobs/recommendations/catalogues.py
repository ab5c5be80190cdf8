"""Catalogues of vectors, neighbours by brute force, and the job's steps without Spark."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from jobs.recommendations.steps.similarity import SHARD_KEYS, nearest_in_shards
from jobs.recommendations.steps.track_index import (
    LISTS_COLUMNS,
    SAMPLE_TRACKS,
    route_blocks,
    train_lists,
)
from jobs.recommendations.steps.track_vectors import (
    CONTENT_MODALITIES,
    bit_of,
    pack_blocks,
)

NO_MODALITY_IN_COMMON = -2.0
SEED = 5


@dataclass(frozen=True)
class Catalogue:
    """Tracks and their vectors.

    Attributes:
        track_ids: unique, in any order.
        vectors: by modality, float32 (tracks, dim).
        has: by modality, whether a track has it, shape (tracks,).
    """

    track_ids: list[str]
    vectors: dict[str, np.ndarray]
    has: dict[str, np.ndarray]

    @property
    def means(self) -> dict[str, np.ndarray]:
        return {
            modality: vectors[self.has[modality]].astype(np.float64).mean(axis=0).astype(np.float32)
            for modality, vectors in self.vectors.items()
            if self.has[modality].any()
        }

    @property
    def patterns(self) -> np.ndarray:
        return sum(bit_of(modality) * has.astype(int) for modality, has in self.has.items())

    def taken(self, tracks: list[int]) -> Catalogue:
        """The tracks at these positions, in this order."""
        return Catalogue(
            [self.track_ids[track] for track in tracks],
            {modality: vectors[tracks] for modality, vectors in self.vectors.items()},
            {modality: has[tracks] for modality, has in self.has.items()},
        )

    def lists(self, modality: str) -> list[np.ndarray | None]:
        pairs = zip(self.vectors[modality], self.has[modality], strict=True)
        return [vector if has else None for vector, has in pairs]


def random_catalogue(n_tracks, *, dims=(5, 7, 3), missing=0.0, n_clusters=0, seed=1):
    """Vectors around n_clusters centres (around none: noise); a share of each modality is missing."""
    rng = np.random.default_rng(seed)
    vectors = {}
    cluster = rng.integers(0, max(1, n_clusters), n_tracks)
    for modality, dim in zip(CONTENT_MODALITIES, dims, strict=True):
        noise = rng.standard_normal((n_tracks, dim), dtype=np.float32)
        centres = 2 * rng.standard_normal((max(1, n_clusters), dim), dtype=np.float32)
        vectors[modality] = noise + centres[cluster]
    has = {modality: rng.random(n_tracks) >= missing for modality in CONTENT_MODALITIES}
    numbers = rng.permutation(n_tracks)
    return Catalogue([f"t{number:06}" for number in numbers], vectors, has)


def brute_force(catalogue, length, queries=None):
    """By track, (neighbour, score), best first: all cosines in float64, sorted by score and id."""
    n_tracks = len(catalogue.track_ids)
    rows = np.arange(n_tracks) if queries is None else queries
    sums, n_common = np.zeros((len(rows), n_tracks)), np.zeros((len(rows), n_tracks))
    for modality, mean in catalogue.means.items():
        centred = (catalogue.vectors[modality] - mean).astype(np.float64)
        unit = (centred / np.linalg.norm(centred, axis=1, keepdims=True)).astype(np.float32)
        both = np.logical_and.outer(catalogue.has[modality][rows], catalogue.has[modality])
        wide = unit.astype(np.float64)
        sums += np.where(both, wide[rows] @ wide.T, 0)
        n_common += both
    scores = np.where(n_common > 0, sums / np.maximum(n_common, 1), NO_MODALITY_IN_COMMON)
    scores = np.round(np.round(scores, 10), 4)
    scores[np.arange(len(rows)), rows] = NO_MODALITY_IN_COMMON
    by_id = np.argsort(np.array(catalogue.track_ids))
    neighbours = {}
    for query, of_query in zip(rows, scores, strict=True):
        best = by_id[np.argsort(-of_query[by_id], kind="stable")][:length]
        neighbours[catalogue.track_ids[query]] = [
            (catalogue.track_ids[other], of_query[other])
            for other in best
            if of_query[other] > NO_MODALITY_IN_COMMON
        ]
    return neighbours


def search(catalogue, length, *, exact_tracks=10**9, batch_rows=1_000, seed=SEED):
    """The same as brute_force by the job's steps; Python stands for Spark's joins and sorts."""
    blocks = _blocks(catalogue, batch_rows)
    collections = collections_of(catalogue)
    index = train_index(catalogue, length, exact_tracks, batch_rows, seed)
    no_lists = dict.fromkeys(LISTS_COLUMNS)
    for block in blocks:
        block["collections"] = [
            {**each, **no_lists, **index.get((each["space"], each["collection"]), {})}
            for each in collections
            if block["pattern"] == each["collection"]
            or block["pattern"] & each["collection"] == each["space"]
        ]
    entries = [
        row
        for batch in route_blocks(iter([_batch_of(block) for block in blocks]))
        for row in batch.to_pylist()
    ]
    found = nearest_in_shards(iter(_sent(entries, batch_rows)), length)
    candidates: dict[str, list] = {track_id: [] for track_id in catalogue.track_ids}
    for batch in found:
        for row in batch.to_pylist():
            candidates[row["track_id"]] += [tuple(each.values()) for each in row["neighbours"]]
    return {
        track_id: [(other, -steps / 10_000) for steps, other, _ in sorted(each)[:length]]
        for track_id, each in candidates.items()
    }


def collections_of(catalogue) -> list[dict]:
    """Each collection with its number of tracks and of queries."""
    counts = Counter(int(pattern) for pattern in catalogue.patterns if pattern)
    queries = Counter()
    for collection in counts:
        for pattern, n_queries in counts.items():
            queries[pattern & collection, collection] += n_queries
    return [
        {"space": space, "collection": each, "n_tracks": counts[each], "n_queries": n_queries}
        for (space, each), n_queries in queries.items()
        if space
    ]


def train_index(catalogue, length, exact_tracks, batch_rows, seed) -> dict[tuple[int, int], dict]:
    """By space and collection with too many pairs, its lists."""
    assert len(catalogue.track_ids) <= SAMPLE_TRACKS  # every track is in the sample
    blocks = _blocks(catalogue, batch_rows)
    trained = {}
    for each in collections_of(catalogue):
        if each["n_tracks"] * each["n_queries"] > exact_tracks**2:
            sample = [{**b, **each} for b in blocks if b["pattern"] == each["collection"]]
            [lists] = train_lists(pa.Table.from_pylist(sample), seed, length).to_pylist()
            trained[each["space"], each["collection"]] = lists
    return trained


def recall(found, expected):
    """Share of the expected neighbours that were found."""
    hits = sum(len(set(found.get(query, [])) & set(best)) for query, best in expected.items())
    return hits / sum(len(best) for best in expected.values())


def _blocks(catalogue, batch_rows) -> list[dict]:
    means = {f"{modality}_mean": mean.tolist() for modality, mean in catalogue.means.items()}
    rows = pa.table(
        {
            "track_id": catalogue.track_ids,
            "id_hash": [int(track_id[1:]) * 7919 - 10**6 for track_id in catalogue.track_ids],
            "pattern": pa.array(catalogue.patterns, pa.int32()),
            **{
                modality: pa.array(catalogue.lists(modality), pa.list_(pa.float32()))
                for modality in CONTENT_MODALITIES
            },
        }
    )
    has_any = rows.filter(pa.compute.greater(rows["pattern"], 0))
    packed = pack_blocks(iter(has_any.to_batches(max_chunksize=batch_rows)))
    return [{**block, **means} for batch in packed for block in batch.to_pylist()]


def _batch_of(block: dict) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([block])


def _sent(entries: list[dict], batch_rows: int) -> list[pa.RecordBatch]:
    """A row for each entry and shard, in the job's order."""
    rows = [
        {**{name: value for name, value in entry.items() if name != "shards"}, "shard": shard}
        | {"is_query": position > 0}
        for entry in entries
        for position, shard in enumerate(entry["shards"])
        if shard is not None
    ]
    keys = (*SHARD_KEYS, "list", "track_id")
    rows.sort(key=lambda row: tuple(row[key] for key in keys))
    schema = pa.schema(
        [
            ("space", pa.int32()),
            ("collection", pa.int32()),
            ("shard", pa.int32()),
            ("is_query", pa.bool_()),
            ("list", pa.int32()),
            ("track_id", pa.string()),
            ("probes", pa.list_(pa.int32())),
            ("vector", pa.binary()),
        ]
    )
    return pa.Table.from_pylist(rows, schema=schema).to_batches(max_chunksize=batch_rows)
