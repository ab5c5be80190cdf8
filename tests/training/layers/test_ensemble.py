"""Ensemble scores of heads, and the selection of their weights."""

from __future__ import annotations

import pytest
import torch

from training.layers.ensemble import Ensemble, HeadScores, ensemble_scores, select_weights


def two_heads() -> HeadScores:
    """One listener and four tracks: the first head says 0, 2, 4 and nothing of the last, the second 1, 1, 1, 5."""
    scores = torch.tensor([[[0.0, 2.0, 4.0, 9.0]], [[1.0, 1.0, 1.0, 5.0]]])
    coverage_mask = torch.tensor([[[True, True, True, False]], [[True, True, True, True]]])
    return HeadScores(scores, coverage_mask)


def test_a_head_that_does_not_cover_a_track_leaves_the_mean_to_the_others():
    """Standardised: -1.2247, 0, 1.2247 and three times -.5774, then 1.7321; weights 1 and 3."""
    scores = ensemble_scores(two_heads(), torch.tensor([1.0, 3.0]))

    expected = [(-1.2247 - 3 * 0.5774) / 4, -3 * 0.5774 / 4, (1.2247 - 3 * 0.5774) / 4, 1.7321]
    assert scores[0].tolist() == pytest.approx(expected, abs=1e-4)


def test_tracks_covered_only_by_a_head_of_weight_zero_have_no_score():
    """Track 3 is the second head's alone."""
    scores = ensemble_scores(two_heads(), torch.tensor([1.0, 0.0]))

    assert scores[0].tolist() == pytest.approx([-1.2247, 0.0, 1.2247, -torch.inf], abs=1e-4)


def test_an_ensemble_uses_the_weights_of_its_state():
    ensemble = Ensemble(2)
    before = ensemble(two_heads())
    ensemble.load_state_dict({"weights": torch.tensor([0.25, 2.0])})

    assert torch.equal(before, ensemble_scores(two_heads(), torch.ones(2)))
    assert torch.equal(
        ensemble(two_heads()), ensemble_scores(two_heads(), torch.tensor([0.25, 2.0]))
    )


def test_the_best_weights_are_found_and_ties_change_nothing():
    """Quality is best at weights (.5, 2); where all are equal, weights are 1."""
    best = torch.tensor([0.5, 2.0])

    found = select_weights(lambda weights: -float((weights - best).abs().sum()), 2)

    assert torch.equal(found, best)
    assert select_weights(lambda _: 0.3, 2).tolist() == [1, 1]
