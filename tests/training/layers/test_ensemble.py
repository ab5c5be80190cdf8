"""Heads into one score, and what is chosen for it."""

from __future__ import annotations

import pytest
import torch

from training.layers.ensemble import Blend, HeadScores, blended, choose_weights


def two_heads() -> HeadScores:
    """One person and four tracks: the first head says 0, 2, 4 and nothing of the last, the second 1, 1, 1, 5."""
    scores = torch.tensor([[[0.0, 2.0, 4.0, 9.0]], [[1.0, 1.0, 1.0, 5.0]]])
    votes = torch.tensor([[[True, True, True, False]], [[True, True, True, True]]])
    return HeadScores(scores, votes)


def test_a_head_without_a_vote_leaves_the_mean_to_the_others():
    """Standardised: -1.2247, 0, 1.2247 and three times -.5774, then 1.7321; weights 1 and 3."""
    scores = blended(two_heads(), torch.tensor([1.0, 3.0]))

    expected = [(-1.2247 - 3 * 0.5774) / 4, -3 * 0.5774 / 4, (1.2247 - 3 * 0.5774) / 4, 1.7321]
    assert scores[0].tolist() == pytest.approx(expected, abs=1e-4)


def test_tracks_that_only_a_head_without_weight_votes_on_have_no_score():
    """Track 3 is the second head's alone."""
    scores = blended(two_heads(), torch.tensor([1.0, 0.0]))

    assert scores[0].tolist() == pytest.approx([-1.2247, 0.0, 1.2247, -torch.inf], abs=1e-4)


def test_a_blend_does_what_was_chosen_for_it():
    blend = Blend(2)
    before = blend(two_heads())
    blend.load_state_dict({"weights": torch.tensor([0.25, 2.0])})

    assert torch.equal(before, blended(two_heads(), torch.ones(2)))
    assert torch.equal(blend(two_heads()), blended(two_heads(), torch.tensor([0.25, 2.0])))


def test_the_best_weights_are_found_and_ties_change_nothing():
    """Quality is best at weights (.5, 2); where all are equal, weights are 1."""
    wanted = torch.tensor([0.5, 2.0])

    found = choose_weights(lambda weights: -float((weights - wanted).abs().sum()), 2)

    assert torch.equal(found, wanted)
    assert choose_weights(lambda _: 0.3, 2).tolist() == [1, 1]
