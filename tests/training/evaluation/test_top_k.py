"""Exact lists: what a plain sort of the whole row gives, faster."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from training.data.interactions import Pairs
from training.evaluation.top_k import SCORE_DECIMALS, mask_listened_, top_k_tracks


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
    """Positions in order of rounded score, then of position; excluded ones left out."""
    rounded = np.round(row.astype(np.float64), SCORE_DECIMALS)
    order = sorted(range(len(row)), key=lambda column: (-rounded[column], column))
    return [column for column in order if np.isfinite(row[column])][:k]


@pytest.mark.parametrize("n_tracks", [5, 40, 700, 3001])
@pytest.mark.parametrize("k", [1, 7, 20])
@pytest.mark.parametrize("decimals", [0, 2, 7])
def test_lists_are_those_of_a_plain_sort(n_tracks, k, decimals):
    """Whatever the size of the row, the length of the list and the number of ties in it."""
    generator = torch.Generator().manual_seed(n_tracks + k)
    scores = torch.randn(6, n_tracks, generator=generator).mul(0.5).round(decimals=decimals)
    scores[torch.rand(6, n_tracks, generator=generator) < 0.2] = -torch.inf

    ranked = top_k_tracks(scores, k)

    found = [
        row[filled].tolist() for row, filled in zip(ranked.tracks, ranked.valid_mask, strict=True)
    ]
    assert found == [by_sorting(row.numpy(), k) for row in scores]


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
