"""Nearest tracks in shards: brute force, ties, rounding, borders and missing modalities."""

from __future__ import annotations

import numpy as np
import pytest

from jobs.recommendations.steps import track_index
from tests.jobs.recommendations.catalogues import (
    Catalogue,
    brute_force,
    random_catalogue,
    search,
)


def tagged(vectors):
    """Tracks with tags alone, by id."""
    matrix = np.array(list(vectors.values()), np.float32)
    nobody, everybody = np.zeros(len(matrix), bool), np.ones(len(matrix), bool)
    return Catalogue(
        list(vectors),
        {"audio": matrix, "lyrics": matrix, "tags": matrix},
        {"audio": nobody, "lyrics": nobody, "tags": everybody},
    )


class TestEqualScores:
    def test_come_in_the_order_of_ids_where_faiss_keeps_only_some(self):
        """Half of 80 tracks point one way, half the other: 39 ties for a list of five."""
        directions = {f"t{n:02}": [1.0 if n % 2 == 0 else -1.0, 0.0] for n in range(80)}

        found = search(tagged(directions), 5)

        assert found["t00"] == [(f"t{n:02}", 1.0) for n in (2, 4, 6, 8, 10)]
        assert found["t04"] == [(f"t{n:02}", 1.0) for n in (0, 2, 6, 8, 10)]
        assert found["t79"] == [(f"t{n:02}", 1.0) for n in (1, 3, 5, 7, 9)]

    def test_come_in_the_order_of_ids_across_shards(self, monkeypatch):
        monkeypatch.setattr(track_index, "SHARD_TRACKS", 7)
        directions = {f"t{n:02}": [1.0 if n % 2 == 0 else -1.0, 0.0] for n in range(80)}

        found = search(tagged(directions), 5)

        assert found["t79"] == [(f"t{n:02}", 1.0) for n in (1, 3, 5, 7, 9)]

    def test_are_equal_after_rounding_to_four_decimals(self):
        """Cosines .99999 and .99996 are both 1.0000: the id decides, not the fifth decimal."""
        near, less_near = ([cosine, np.sqrt(1 - cosine**2)] for cosine in (0.99999, 0.99996))
        of_id = {"t0": [1.0, 0.0], "t3": near, "t1": less_near}
        opposite = {f"t{n}": [-x, -y] for n, (x, y) in zip((4, 5, 6), of_id.values(), strict=True)}

        found = search(tagged(of_id | opposite), 2)

        assert found["t0"] == [("t1", 1.0), ("t3", 1.0)]

    def test_are_found_among_nearer_tracks_that_fill_what_faiss_keeps(self):
        """40 cosines to t00 from .99996 to .99999, the higher the later the id: all are 1.0000."""
        cosines = [1.0, *np.linspace(0.99996, 0.99999, 40)]
        points = [[cosine, np.sqrt(1 - cosine**2)] for cosine in cosines]
        of_id = {f"t{n:02}": point for n, point in enumerate(points)}
        opposite = {f"u{n:02}": [-x, -y] for n, (x, y) in enumerate(points)}

        found = search(tagged(of_id | opposite), 5)

        assert found["t00"] == [(f"t{n:02}", 1.0) for n in (1, 2, 3, 4, 5)]


@pytest.mark.parametrize("shard_tracks", [40, 333, 10**6])
@pytest.mark.parametrize("batch_rows", [61, 1_000])
def test_neighbours_equal_brute_force_for_every_mixture_of_modalities(
    shard_tracks, batch_rows, monkeypatch
):
    """Seven patterns in one catalogue, in any size of shards and batches."""
    monkeypatch.setattr(track_index, "SHARD_TRACKS", shard_tracks)
    catalogue = random_catalogue(400, missing=0.4)
    assert set(catalogue.patterns) == set(range(8))

    assert search(catalogue, 10, batch_rows=batch_rows) == brute_force(catalogue, 10)


def test_a_track_is_compared_by_what_both_have_and_never_with_itself():
    """Cosines are 1 and -1 for audio and for tags: their means are 1, 0 and -1."""
    one, other = [1.0, 0.0], [-1.0, 0.0]
    both = Catalogue(
        ["t0", "t1", "t2", "t3"],
        {
            "audio": np.array([one, one, other, other], np.float32),
            "lyrics": np.zeros((4, 1), np.float32),
            "tags": np.array([one, other, one, other], np.float32),
        },
        {
            "audio": np.ones(4, bool),
            "lyrics": np.zeros(4, bool),
            "tags": np.ones(4, bool),
        },
    )

    found = search(both, 10)

    assert found["t0"] == [("t1", 0.0), ("t2", 0.0), ("t3", -1.0)]
    assert found["t3"] == [("t1", 0.0), ("t2", 0.0), ("t0", -1.0)]


def test_tracks_without_a_common_modality_are_no_neighbours_and_short_lists_stay_short():
    """Two tracks with audio and two with tags: each list of ten has one track."""
    catalogue = Catalogue(
        ["t0", "t1", "t2", "t3"],
        {
            "audio": np.array([[1.0], [-1.0], [0.0], [0.0]], np.float32),
            "lyrics": np.zeros((4, 1), np.float32),
            "tags": np.array([[0.0], [0.0], [2.0], [-2.0]], np.float32),
        },
        {
            "audio": np.array([True, True, False, False]),
            "lyrics": np.zeros(4, bool),
            "tags": np.array([False, False, True, True]),
        },
    )

    assert search(catalogue, 10) == {
        "t0": [("t1", -1.0)],
        "t1": [("t0", -1.0)],
        "t2": [("t3", -1.0)],
        "t3": [("t2", -1.0)],
    }


def test_a_list_may_be_longer_than_a_shard_has_tracks(monkeypatch):
    """With a shard for each track, some shards of each space stay empty, too."""
    monkeypatch.setattr(track_index, "SHARD_TRACKS", 1)
    catalogue = random_catalogue(50, missing=0.3)

    assert search(catalogue, 30) == brute_force(catalogue, 30)
