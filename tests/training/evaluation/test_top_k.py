"""Exact lists: what a plain sort of the whole row gives, faster."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from training.data.interactions import Pairs
from training.evaluation.top_k import InvalidScoreError, mask_listened_, top_k_tracks


def test_ties_are_broken_by_position_also_at_the_cut():
    """Tracks 1, 2 and 3 score alike to six decimals: the lists hold 0, 1, 2."""
    scores = torch.tensor([[9.0, 1.0000001, 1.0, 1.0000002]])

    assert top_k_tracks(scores, 3).tracks.tolist() == [[0, 1, 2]]


def test_negative_scores_keep_their_order_and_excluded_tracks_are_not_listed():
    """-0.5 before -2; the track at -inf leaves the last entry invalid."""
    ranked = top_k_tracks(torch.tensor([[-2.0, -torch.inf, -0.5]]), 3)

    assert ranked.tracks[0, :2].tolist() == [2, 0]
    assert ranked.scores[0, :2].tolist() == [-0.5, -2.0]
    assert ranked.valid_mask.tolist() == [[True, True, False]]


def by_sorting(row: np.ndarray, k: int) -> list[int]:
    """Positions by score rounded to six decimals, then by position; excluded ones left out."""
    rounded = np.round(row.astype(np.float64), 6)
    order = np.lexsort((np.arange(len(row)), -rounded))
    return [int(column) for column in order if np.isfinite(row[column])][:k]


def lists_of(scores: torch.Tensor, k: int) -> list[list[int]]:
    """Positions that top_k_tracks lists, row by row."""
    ranked = top_k_tracks(scores, k)
    return [
        row[filled].tolist() for row, filled in zip(ranked.tracks, ranked.valid_mask, strict=True)
    ]


@pytest.mark.parametrize("n_tracks", [5, 40, 700, 3001])
@pytest.mark.parametrize("k", [1, 7, 20])
@pytest.mark.parametrize("decimals", [0, 2, 7])
def test_lists_are_those_of_a_plain_sort(n_tracks, k, decimals):
    """Whatever the size of the row, the length of the list and the number of ties in it."""
    generator = torch.Generator().manual_seed(n_tracks + k)
    scores = torch.randn(6, n_tracks, generator=generator).mul(0.5).round(decimals=decimals)
    scores[torch.rand(6, n_tracks, generator=generator) < 0.2] = -torch.inf

    assert lists_of(scores, k) == [by_sorting(row.numpy(), k) for row in scores]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("exponent", range(-9, 13, 3))
@pytest.mark.parametrize(("n_tracks", "k"), [(30, 20), (63, 7), (1500, 7), (5003, 20)])
def test_lists_are_those_of_a_plain_sort_at_every_magnitude(dtype, exponent, n_tracks, k):
    """Scores about 1e-9 to 1e12 in size, of both signs; in every other row most tracks tie."""
    generator = torch.Generator().manual_seed(n_tracks + exponent)
    scores = torch.randn(8, n_tracks, generator=generator, dtype=torch.float64)
    scores[::2] = scores[::2].round()
    scores = (scores * 10.0**exponent).to(dtype)
    scores[torch.rand(8, n_tracks, generator=generator) < 0.2] = -torch.inf

    assert lists_of(scores, k) == [by_sorting(row.numpy(), k) for row in scores]


def test_counts_of_millions_of_listeners_among_a_million_tracks_keep_their_order():
    """Twelve million listeners of the last track, eleven of the one before, none of the others."""
    scores = torch.zeros(1, 1_000_000)
    scores[0, -2:] = torch.tensor([11e6, 12e6])

    ranked = top_k_tracks(scores, 4)

    assert ranked.tracks.tolist() == [[999_999, 999_998, 0, 1]]
    assert ranked.scores.tolist() == [[12e6, 11e6, 0, 0]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_greatest_and_the_least_number_of_a_type_are_scores(dtype):
    """In order: greatest, 2**32, 0, least."""
    limits = torch.finfo(dtype)
    scores = torch.tensor([[limits.min, 0, limits.max, 2**32]], dtype=dtype)

    ranked = top_k_tracks(scores, 4)

    assert ranked.tracks.tolist() == [[2, 3, 1, 0]]
    assert ranked.scores.tolist() == [[limits.max, 2**32, 0, limits.min]]


def test_a_score_that_rounds_to_zero_has_no_sign():
    """-1e-9 and 0 tie, and their bytes are those of 0."""
    ranked = top_k_tracks(torch.tensor([[-1e-9, 0.0]]), 2)

    assert ranked.tracks.tolist() == [[0, 1]]
    assert not ranked.scores.signbit().any()


# Of 5,003 tracks, 78 chunks of 64 hold the first 4,992; 30 tracks take no shortcut at all.
@pytest.mark.parametrize(("n_tracks", "first"), [(5003, 100), (5003, 4993), (900, 0), (30, 4)])
@pytest.mark.parametrize("n_invalid", [1, 3])
@pytest.mark.parametrize(
    ("value", "named"), [(np.nan, "{} of {} are NaN"), (np.inf, "{0} are +inf")]
)
def test_scores_without_an_order_are_refused(n_tracks, first, n_invalid, value, named):
    """In a chunk, behind the last chunk, and in rows without chunks; -inf and the rest are fine."""
    scores = torch.randn(3, n_tracks, generator=torch.Generator().manual_seed(1))
    scores[1, ::2] = -torch.inf
    assert top_k_tracks(scores, 10).valid_mask.all()
    scores[2, first : first + n_invalid] = value

    with pytest.raises(InvalidScoreError) as refused:
        top_k_tracks(scores, 10)

    assert "row 2 of" in str(refused.value)
    assert named.format(n_invalid, n_tracks) in str(refused.value)


def test_a_row_with_more_invalid_scores_than_entries_is_refused():
    """40 NaN fill every shortcut of a list of 10; they do not make the list an empty one."""
    scores = torch.zeros(2, 5000)
    scores[0, :40] = torch.nan

    with pytest.raises(InvalidScoreError, match="row 0 of a block of scores: 40 of 5000 are NaN"):
        top_k_tracks(scores, 10)


def test_a_row_of_equal_scores_lists_the_first_positions():
    """A thousand ties reach beyond every shortcut; the last track alone is better."""
    scores = torch.zeros(1, 1001)
    scores[0, -1] = 1

    assert top_k_tracks(scores, 4).tracks.tolist() == [[1000, 0, 1, 2]]


def test_a_row_of_excluded_tracks_is_an_empty_list():
    """Nothing is listed, and nothing raises."""
    assert not top_k_tracks(torch.full((2, 900), -torch.inf), 5).valid_mask.any()


def test_heard_tracks_have_no_score():
    """Listener 4 heard tracks 0 and 2, listener 1 track 1, listener 3 nothing."""
    listened = Pairs(torch.tensor([1, 4, 4, 5]), torch.tensor([1, 0, 2, 1]), torch.ones(4))

    unheard = mask_listened_(torch.ones(3, 3), torch.tensor([4, 3, 1]), listened).isfinite()

    assert unheard.tolist() == [[False, True, False], [True, True, True], [True, False, True]]
