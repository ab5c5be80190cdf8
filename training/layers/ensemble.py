"""Ensemble of heads: the weighted mean of the calibrated scores of the heads that cover a track."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from training.layers.losses import standardised

WEIGHT_STEPS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
ROUNDS = 2  # over all heads; a third changed no weight on the sample world
MARGIN = 2.0  # standard errors that selected weights must gain over equal ones


@dataclass(frozen=True, slots=True, eq=False)
class HeadScores:
    """What each head says about some listeners.

    Attributes:
        scores: shape (heads, batch, n_tracks); means nothing outside `coverage_mask`.
        coverage_mask: whether the head can score the track for the listener, likewise, bool.
    """

    scores: Tensor
    coverage_mask: Tensor


class Ensemble(nn.Module):
    """Combines heads into one score, by weights that are selected on validation after a fit.

    Attributes:
        weights: one per head, shape (heads,), not negative; equal ones until they are selected.
    """

    weights: Tensor

    def __init__(self, n_heads: int) -> None:
        super().__init__()
        self.register_buffer("weights", torch.ones(n_heads))

    def forward(self, heads: HeadScores) -> Tensor:
        """Score of every track, shape (batch, n_tracks); see `ensemble_scores`."""
        return ensemble_scores(heads, self.weights)


def ensemble_scores(heads: HeadScores, weights: Tensor) -> Tensor:
    """Score of every track, shape (batch, n_tracks); -inf where no head covers the track.

    Each head's scores are standardised over the tracks it covers, listener by listener; a head
    that does not cover a track leaves the mean to the others. Example: weights (1, 3), calibrated
    scores 2 and 1 where both cover the track: (2 + 3) / 4 = 1.25;
    where only the second does: 1.

    Heads of weight 0 have no influence on a track that another head covers. A track that they
    alone cover has their plain mean: the limit of one common weight that becomes 0.

    Args:
        heads: scores and coverage.
        weights: shape (heads,), not negative.
    """
    scores = _weighted_mean(heads, weights)
    without_weight = weights == 0
    if without_weight.any():
        others = _weighted_mean(heads, without_weight.to(weights.dtype))
        scores = scores.where(scores != -torch.inf, others)
    return scores


def covering_heads(coverage_mask: Tensor, weights: Tensor) -> Tensor:
    """Which heads a track's score in `ensemble_scores` comes from, shape (heads, ...) bool.

    These are the heads that cover the track and have a positive weight; without one, all that
    cover it. Example of weights (1, 0): the first head for a track that both cover, the second for
    a track that it alone covers.

    Args:
        coverage_mask: shape (heads, ...).
        weights: shape (heads,), not negative.
    """
    has_weight = (weights > 0).reshape(-1, *(1 for _ in coverage_mask.shape[1:]))
    with_weight = coverage_mask & has_weight
    return with_weight.where(with_weight.any(dim=0), coverage_mask)


def _weighted_mean(heads: HeadScores, weights: Tensor) -> Tensor:
    """Mean of the calibrated scores over heads of positive weight; -inf where none covers."""
    total = torch.zeros_like(heads.scores[0])
    weight_sum = torch.zeros_like(total)
    for scores, coverage_mask, weight in zip(
        heads.scores, heads.coverage_mask, weights.tolist(), strict=True
    ):
        if weight > 0:
            total += weight * standardised(scores, coverage_mask)
            weight_sum += weight * coverage_mask
    return torch.where(weight_sum > 0, total / weight_sum.clamp(min=1e-12), -torch.inf)


def select_weights(ndcg_of: Callable[[Tensor], Tensor], n_heads: int) -> Tensor:
    """One weight per head, by coordinate search over WEIGHT_STEPS; shape (n_heads,).

    The search maximises the mean over listeners, and so it also finds what gains by chance. Its
    result replaces equal weights only when it gains more than MARGIN standard errors over them.

    Args:
        ndcg_of: the validation metric of each listener for a set of weights, shape (n_users,);
            more is better. Of equal ones the first tried stays.
        n_heads: how many.
    """
    equal = torch.ones(n_heads)
    of_equal = ndcg_of(equal)
    weights, best = equal, of_equal
    for head in list(range(n_heads)) * ROUNDS:
        for step in WEIGHT_STEPS:
            tried = weights.index_fill(0, torch.tensor(head), step)
            if tried.sum() > 0 and not torch.equal(tried, weights):
                metric = ndcg_of(tried)
                if metric.mean() > best.mean():
                    weights, best = tried, metric
    return weights if _is_more_than_chance(best - of_equal) else equal


def _is_more_than_chance(gains: Tensor) -> bool:
    """Whether the listeners' mean gain exceeds MARGIN standard errors; never of one listener."""
    return len(gains) > 1 and bool(gains.mean() > MARGIN * gains.std() / len(gains) ** 0.5)
