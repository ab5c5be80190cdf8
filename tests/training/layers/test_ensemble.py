"""Ensemble scores of heads, and the selection of their weights."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from training.layers.ensemble import (
    Ensemble,
    HeadScores,
    covering_heads,
    ensemble_scores,
    select_weights,
)


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


def test_a_track_that_only_heads_of_weight_zero_cover_has_their_score():
    """Track 3 is the second head's alone, calibrated 1.7321; the others have the first head's."""
    scores = ensemble_scores(two_heads(), torch.tensor([1.0, 0.0]))

    assert scores[0].tolist() == pytest.approx([-1.2247, 0.0, 1.2247, 1.7321], abs=1e-4)


def test_heads_of_weight_zero_share_a_track_that_no_other_head_covers():
    """Heads 1 and 2 say (0, 2) and (1, 0) of tracks 1, 2: (-1, 1) and (1, -1) calibrated, mean 0; nobody covers track 3."""
    scores = torch.tensor([[[4.0, 0.0, 0.0, 0.0]], [[0.0, 0.0, 2.0, 0.0]], [[0.0, 1.0, 0.0, 0.0]]])
    coverage_mask = torch.tensor(
        [[[True, False, False, False]], [[False, True, True, False]], [[False, True, True, False]]]
    )

    found = ensemble_scores(HeadScores(scores, coverage_mask), torch.tensor([2.0, 0.0, 0.0]))

    assert found[0].tolist() == pytest.approx([0, 0, 0, -torch.inf], abs=1e-5)


def random_heads() -> tuple[HeadScores, torch.Tensor]:
    """Three heads that cover random parts, and the weights 2, 0, 0.25."""
    generator = torch.Generator().manual_seed(4)
    scores = torch.randn(3, 5, 200, generator=generator)
    coverage_mask = torch.rand(3, 5, 200, generator=generator) < 0.4
    return HeadScores(scores, coverage_mask), torch.tensor([2.0, 0.0, 0.25])


def test_heads_of_weight_zero_change_no_score_that_another_head_gives():
    """Bit for bit the scores of the two other heads, where one of these covers the track."""
    heads, weights = random_heads()
    others = HeadScores(heads.scores[[0, 2]], heads.coverage_mask[[0, 2]])
    has_other = others.coverage_mask.any(dim=0)

    found = ensemble_scores(heads, weights)

    assert torch.equal(found[has_other], ensemble_scores(others, weights[[0, 2]])[has_other])
    only = heads.coverage_mask[1] & ~has_other
    assert only.any()
    assert torch.equal(found.isfinite(), heads.coverage_mask.any(dim=0))


def test_the_rule_of_weight_zero_is_the_limit_of_a_small_weight():
    """A millionth moves a mean of calibrated scores below 4 by less than 8 * 1e-6 / .25 = 3.2e-5."""
    heads, weights = random_heads()

    found = ensemble_scores(heads, weights)
    near = ensemble_scores(heads, weights.clamp(min=1e-6))

    covered = heads.coverage_mask.any(dim=0)
    assert torch.allclose(found[covered], near[covered], rtol=0, atol=3.2e-5)


def test_covering_heads_are_those_whose_scores_count():
    """Head by head: to change a covering head's score changes the track's score, and no other head's does."""
    heads, weights = random_heads()
    covering = covering_heads(heads.coverage_mask, weights)

    assert torch.equal(covering.any(dim=0), heads.coverage_mask.any(dim=0))
    assert covering[1].any()
    for head in range(3):
        disturbed = heads.scores.clone()
        disturbed[head] = disturbed[head].flip(-1)
        changed = ensemble_scores(HeadScores(disturbed, heads.coverage_mask), weights)
        moves = changed.nan_to_num(neginf=0) != ensemble_scores(heads, weights).nan_to_num(neginf=0)
        assert torch.equal(moves, covering[head])


def test_covering_heads_of_listed_tracks():
    """Weights 1, 0: both cover track 0 and the first counts; the second alone covers track 1; nobody covers track 2."""
    coverage_mask = torch.tensor([[True, False, False], [True, True, False]])

    covering = covering_heads(coverage_mask, torch.tensor([1.0, 0.0]))

    assert covering.tolist() == [[True, False, False], [False, True, False]]


def test_an_ensemble_uses_the_weights_of_its_state():
    ensemble = Ensemble(2)
    before = ensemble(two_heads())
    ensemble.load_state_dict({"weights": torch.tensor([0.25, 2.0])})

    assert torch.equal(before, ensemble_scores(two_heads(), torch.ones(2)))
    assert torch.equal(
        ensemble(two_heads()), ensemble_scores(two_heads(), torch.tensor([0.25, 2.0]))
    )


def closeness_to(best: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    """A metric of 20 listeners that falls with the distance from `best`, a little more for each listener than for the one before."""
    slopes = torch.linspace(1, 2, 20, dtype=torch.float64)
    return lambda weights: -slopes * float((weights - best).abs().sum())


def test_the_best_weights_are_found_when_all_listeners_gain():
    """Quality is best at weights (.5, 2)."""
    best = torch.tensor([0.5, 2.0])

    assert torch.equal(select_weights(closeness_to(best), 2), best)


def test_weights_stay_equal_when_no_listener_gains():
    assert select_weights(lambda _: torch.full((20,), 0.3), 2).tolist() == [1, 1]


@pytest.mark.parametrize(("n_listeners", "chosen"), [(20, [1, 1]), (2000, [0, 1])])
def test_a_gain_counts_when_it_is_larger_than_chance(n_listeners, chosen):
    """Without the first head 6 of 10 listeners gain .1 and 4 lose it: mean .02, deviation .098.

    Two standard errors are .045 of 20 listeners and .0044 of 2,000; the other weights change nothing.
    """
    gain = torch.where(torch.arange(n_listeners) % 10 < 6, 0.1, -0.1)

    found = select_weights(lambda weights: 0.5 + gain * float(weights[0] == 0), 2)

    assert found.tolist() == chosen


def test_one_listener_is_no_evidence():
    """A mean of one has no standard error."""
    assert select_weights(lambda weights: weights[:1], 2).tolist() == [1, 1]
