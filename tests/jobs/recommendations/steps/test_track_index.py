"""The index: its recall, the same rows each time, and shards of a bounded size."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from jobs.recommendations.steps import track_index
from tests.jobs.recommendations.catalogues import (
    SEED,
    Catalogue,
    brute_force,
    random_catalogue,
    recall,
    search,
    train_index,
)

ALL = (7, 7)  # space and collection of audio, lyrics and tags


@pytest.fixture
def clustered(monkeypatch):
    """3,000 tracks around 60 centres, in shards of about 300; a fifth of each modality is missing."""
    monkeypatch.setattr(track_index, "SHARD_TRACKS", 300)
    return random_catalogue(3_000, dims=(12, 16, 8), missing=0.2, n_clusters=60)


def test_the_index_finds_95_of_100_neighbours_with_their_exact_scores(clustered):
    expected = brute_force(clustered, 10)

    found = search(clustered, 10, exact_tracks=500)

    assert found != expected  # the index leaves tracks out, or it would be exact search
    assert recall(found, expected) >= 0.95


def test_recall_is_kept_where_tracks_have_no_clusters(monkeypatch):
    """200 dimensions of noise: each track's neighbours are spread over most lists."""
    monkeypatch.setattr(track_index, "SHARD_TRACKS", 1_000)
    noise = random_catalogue(5_000, dims=(200, 4, 4), n_clusters=0)

    found = search(noise, 10, exact_tracks=1_000)

    assert recall(found, brute_force(noise, 10)) >= 0.95


def test_the_index_gives_the_same_neighbours_however_tracks_come_in_batches(clustered):
    once = search(clustered, 10, exact_tracks=500)

    assert search(clustered, 10, exact_tracks=500, batch_rows=377) == once


def test_a_seed_gives_the_same_lists_twice_and_another_seed_gives_others(clustered):
    reordered = clustered.taken(list(range(3_000))[::-1])
    once, again, other = (
        train_index(each, 10, 500, batch_rows, seed)[ALL]
        for each, batch_rows, seed in (
            (clustered, 1_000, SEED),
            (reordered, 377, SEED),
            (clustered, 1_000, SEED + 1),
        )
    )

    assert once == again
    assert once["centroids"] != other["centroids"]


def test_only_collections_with_more_pairs_than_the_setting_squared_have_lists(clustered):
    """Of 3,000 tracks .51 have all three modalities, .13 each of the pairs, .03 each alone."""
    counts = {each: int((clustered.patterns == each).sum()) for each in (7, 3)}
    only_all = train_index(clustered, 10, counts[7] - 1, 1_000, SEED)

    assert only_all.keys() == {(7, 7)}
    assert train_index(clustered, 10, counts[7], 1_000, SEED) == {}
    # Audio and lyrics of the tracks without tags are searched by themselves and by (7).
    pairs = counts[3] * (counts[3] + counts[7])
    assert (3, 3) in train_index(clustered, 10, int(pairs**0.5) - 1, 1_000, SEED)
    assert (3, 3) not in train_index(clustered, 10, int(pairs**0.5) + 1, 1_000, SEED)


def test_collections_are_described_by_pattern_and_the_large_ones_are_sampled(monkeypatch):
    """60 tracks with audio and tags (5), 7 with tags (4): (4, 5) has 60 * 7 pairs, (4, 4) 7 * 67."""
    monkeypatch.setattr(track_index, "SAMPLE_TRACKS", 25)
    patterns = pa.RecordBatch.from_pydict({"pattern": [5, 4], "n_tracks": [60, 7]})

    [described] = track_index.describe_collections(iter([patterns]), 21)  # 441 pairs

    assert [tuple(row.values()) for row in described.to_pylist()] == [
        (4, 4, 4, 7, True, 1),
        (4, 4, 5, 60, False, 1),
        (5, 4, 4, 7, True, 3),
        (5, 4, 5, 60, False, 3),
        (5, 5, 5, 60, True, 3),
    ]
    [exact] = track_index.describe_collections(iter([patterns]), 60)
    assert set(exact.column("is_large").to_pylist()) == {False}
    assert set(exact.column("stride").to_pylist()) == {None}
    [nothing] = track_index.describe_collections(iter([]), 60)
    assert nothing.num_rows == 0


def test_tracks_without_clusters_probe_more_lists():
    clusters, noise = (random_catalogue(2_000, n_clusters=n) for n in (40, 0))

    few, many = (
        train_index(each, 10, 1, 1_000, SEED)[ALL]["n_probes"] for each in (clusters, noise)
    )

    assert 1 <= few < many < len(train_index(noise, 10, 1, 1_000, SEED)[ALL]["first_shards"])


def test_probes_count_the_lists_up_to_the_one_that_holds_the_neighbour():
    """Angles 0, 40 and 50 degrees; lists at 0 and 90: the neighbour of 40 is in 50's list."""
    angles = np.radians([0.0, 1.0, 40.0, 50.0, 89.0, 90.0])
    sample = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    lists = np.array([[1, 0], [0, 1]], np.float32)
    own_list = np.array([0, 0, 0, 1, 1, 1])

    assert track_index.probes_for_recall(sample, lists, own_list, 1) == 2
    assert (
        track_index.probes_for_recall(sample[[0, 1, 4, 5]], lists, own_list[[0, 1, 4, 5]], 1) == 1
    )


def test_neighbouring_lists_come_into_one_shard(monkeypatch):
    """Four lists of 100 on a circle, at 0, 90, 10 and 80 degrees; a shard has 200 tracks."""
    monkeypatch.setattr(track_index, "SHARD_TRACKS", 200)
    angles = np.radians([0.0, 90.0, 10.0, 80.0])
    centroids = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)

    first_shards, shard_counts = track_index.divide_lists(centroids, np.full(4, 100.0))

    assert first_shards[0] == first_shards[2] != first_shards[1] == first_shards[3]
    assert sorted(set(first_shards)) == [0, 1]
    assert shard_counts.tolist() == [1, 1, 1, 1]


def test_a_list_larger_than_a_shard_gets_several(monkeypatch):
    """1,000 equal vectors do not make a shard grow with the catalogue."""
    monkeypatch.setattr(track_index, "SHARD_TRACKS", 200)
    centroids = np.eye(3, dtype=np.float32)

    first_shards, shard_counts = track_index.divide_lists(centroids, np.array([100.0, 1_000, 90]))

    assert shard_counts.tolist() == [1, 5, 1]
    large = range(first_shards[1], first_shards[1] + 5)
    assert first_shards[0] not in large
    assert first_shards[2] not in large


def test_equal_vectors_over_several_shards_are_all_compared(monkeypatch):
    """300 tracks of one direction, over shards of 50: the first ids are everyone's neighbours."""
    monkeypatch.setattr(track_index, "SHARD_TRACKS", 50)
    matrix = np.array([[1.0, 0.0]] * 300 + [[-1.0, 0.0]] * 300, np.float32)
    none, every = np.zeros(600, bool), np.ones(600, bool)
    catalogue = Catalogue(
        [f"t{n:03}" for n in range(600)],
        {"audio": matrix, "lyrics": matrix, "tags": matrix},
        {"audio": every, "lyrics": none, "tags": every},
    )

    found = search(catalogue, 3, exact_tracks=10)

    assert found["t299"] == [("t000", 1.0), ("t001", 1.0), ("t002", 1.0)]
    assert found["t599"] == [("t300", 1.0), ("t301", 1.0), ("t302", 1.0)]


def test_an_exact_search_stores_a_track_by_its_hash_and_sends_it_to_every_shard():
    """Three shards: -3 mod 3 is 0 and 4 mod 3 is 1. Tags (3, 0) and (0, 5) become unit vectors."""
    collection = {
        "space": 4,
        "collection": 4,
        "n_tracks": 3 * track_index.SHARD_TRACKS,
        "centroids": None,
    }
    block = {
        "pattern": 4,
        "track_ids": ["t0", "t1"],
        "id_hashes": [-3, 4],
        "tags": np.array([[3, 0], [0, 5]], np.float32).tobytes(),
        "tags_mean": [0.0, 0.0],
        "collections": [collection],
    }

    [entries] = track_index.route_blocks(iter([pa.RecordBatch.from_pylist([block])]))

    vectors = [np.frombuffer(each.as_py(), np.float32) for each in entries.column("vector")]
    assert entries.column("shards").to_pylist() == [[0, 0, 1, 2], [1, 0, 1, 2]]
    assert np.array(vectors).tolist() == [[1, 0], [0, 1]]


def test_a_track_is_stored_by_its_own_pattern_and_compared_in_the_space_of_both():
    """Audio and tags (5) meet tags alone (4) in the space 4: the first stores, the second asks."""
    collection = {"space": 4, "collection": 5, "n_tracks": 1, "centroids": None}
    stored, asking, other = (
        {
            "pattern": pattern,
            "track_ids": ["t0"],
            "id_hashes": [1],
            "tags": np.array([1, 0], np.float32).tobytes(),
            "tags_mean": [0.0, 0.0],
            "collections": [collection],
        }
        for pattern in (5, 4, 7)
    )

    shards = [
        entries.column("shards").to_pylist()
        for block in (stored, asking, other)
        for entries in track_index.route_blocks(iter([pa.RecordBatch.from_pylist([block])]))
    ]

    assert shards == [[[0]], [[None, 0]], [[None]]]
