"""Ensemble of heads: the weighted mean of the calibrated scores of the heads that cover a track."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from training.layers.losses import standardised

WEIGHT_STEPS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
ROUNDS = 2  # over all heads; a third changed no weight on the sample world


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

    Args:
        heads: scores and coverage.
        weights: shape (heads,), not negative.
    """
    total = torch.zeros_like(heads.scores[0])
    weight_sum = torch.zeros_like(total)
    for scores, coverage_mask, weight in zip(
        heads.scores, heads.coverage_mask, weights, strict=True
    ):
        total += weight * standardised(scores, coverage_mask)
        weight_sum += weight * coverage_mask
    return torch.where(weight_sum > 0, total / weight_sum.clamp(min=1e-12), -torch.inf)


def single_head_scores(heads: HeadScores) -> Tensor:
    """The scores of a family with one head as they are, (batch, n_tracks); -inf if not covered."""
    return heads.scores[0].masked_fill(~heads.coverage_mask[0], -torch.inf)


def select_weights(metric_of: Callable[[Tensor], float], n_heads: int) -> Tensor:
    """One weight per head, by coordinate search over WEIGHT_STEPS; shape (n_heads,).

    Args:
        metric_of: the validation metric of a set of weights; more is better. Of equal ones the
            first tried stays.
        n_heads: how many.
    """
    weights = torch.ones(n_heads)
    best = metric_of(weights)
    for head in list(range(n_heads)) * ROUNDS:
        for step in WEIGHT_STEPS:
            tried = weights.clone()
            tried[head] = step
            metric = metric_of(tried) if tried.sum() > 0 else best
            if metric > best:
                weights, best = tried, metric
    return weights
