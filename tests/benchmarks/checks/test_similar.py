"""The similar-tracks benchmark: its exact neighbours, its catalogue, its slope and its growth."""

from __future__ import annotations

import numpy as np
import pytest

from tests.benchmarks.similar import growth_of, pair_slope
from tests.benchmarks.support.similar_catalogue import SyntheticCatalogue, means_of, unit_rows
from tests.benchmarks.support.similar_runs import exact_neighbours, recall_of
from tests.jobs.recommendations.catalogues import Catalogue, brute_force


def test_exact_neighbours_equal_the_brute_force_of_the_job_s_own_tests():
    catalogue = SyntheticCatalogue(300)
    [chunk] = catalogue.chunks()
    expected = brute_force(Catalogue(chunk.track_ids, chunk.vectors, chunk.has), 10)

    found = exact_neighbours(catalogue, np.arange(300))

    assert {len(set(has)) for has in chunk.has.values()} == {1, 2}  # some lack audio and lyrics
    assert {
        f"track-{track:09}": [(f"track-{other:09}", score) for other, score in best]
        for track, best in found.items()
    } == expected


def test_a_chunk_is_the_same_whenever_it_is_drawn_and_tracks_of_an_artist_are_near():
    catalogue = SyntheticCatalogue(2_000)
    [chunk] = catalogue.chunks()
    rows = unit_rows(chunk, means_of(catalogue))
    products = rows @ rows.T
    np.fill_diagonal(products, 0)

    assert (catalogue.chunk(0, 2_000).vectors["audio"] == chunk.vectors["audio"]).all()
    assert np.median(products.max(axis=1)) > 2  # of at most 3
    assert abs(np.median(products)) < 0.1


def test_the_slope_is_1_when_a_pair_costs_the_same_in_any_catalogue():
    """Five seconds, and one for each 10^8 pairs."""
    seconds = {size: 5 + size**2 / 1e8 for size in (10_000, 30_000, 100_000)}

    assert pair_slope(seconds, 5) == pytest.approx(1)
    assert pair_slope({size: 5 + size / 1e4 for size in seconds}, 5) == pytest.approx(0.5)


def test_growth_and_recall_are_relative():
    """From 400 to 440 MiB is a tenth; three of four expected neighbours are .75."""
    expected = {1: [(2, 0.9), (3, 0.8)], 2: [(1, 0.9), (3, 0.7)]}

    assert growth_of({30_000: 400.0, 60_000: 999.0, 100_000: 440.0}) == pytest.approx(0.1)
    assert recall_of({1: [(3, 0.8), (2, 0.9)], 2: [(1, 0.9)]}, expected) == 0.75
