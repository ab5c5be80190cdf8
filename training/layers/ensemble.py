"""Several heads, one list: the weighted mean of the calibrated scores of the heads that vote."""

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
    """What each head says about some people.

    Attributes:
        scores: shape (heads, batch, n_tracks); means nothing without a vote.
        votes: shape (heads, batch, n_tracks) bool.
    """

    scores: Tensor
    votes: Tensor


class Blend(nn.Module):
    """How heads become one score: what validation chooses of a model when it is fitted.

    Attributes:
        weights: one per head, shape (heads,), not negative; equal ones until they are chosen.
    """

    weights: Tensor

    def __init__(self, n_heads: int) -> None:
        super().__init__()
        self.register_buffer("weights", torch.ones(n_heads))

    def forward(self, heads: HeadScores) -> Tensor:
        """Score of every track, shape (batch, n_tracks); see `blended`."""
        return blended(heads, self.weights)


def blended(heads: HeadScores, weights: Tensor) -> Tensor:
    """Score of every track, shape (batch, n_tracks); -inf where no head has a vote.

    Each head's scores are standardised over the tracks it votes on, person by person; a head
    without a vote for a track leaves the mean to the others. Example: weights (1, 3), calibrated
    scores 2 and 1 where both vote: (2 + 3) / 4 = 1.25;
    where only the second does: 1.

    Args:
        heads: scores and votes.
        weights: shape (heads,), not negative.
    """
    total = torch.zeros_like(heads.scores[0])
    weight_sum = torch.zeros_like(total)
    for scores, votes, weight in zip(heads.scores, heads.votes, weights, strict=True):
        total += weight * standardised(scores, votes)
        weight_sum += weight * votes
    return torch.where(weight_sum > 0, total / weight_sum.clamp(min=1e-12), -torch.inf)


def of_only_head(heads: HeadScores) -> Tensor:
    """The scores of a family with one head as they are, (batch, n_tracks); -inf without a vote."""
    return heads.scores[0].masked_fill(~heads.votes[0], -torch.inf)


def choose_weights(quality_of: Callable[[Tensor], float], n_heads: int) -> Tensor:
    """One weight per head, by trying WEIGHT_STEPS for one head after the other; shape (n_heads,).

    Args:
        quality_of: what a set of weights is worth on validation; more is better. Of equal ones the
            first tried stays.
        n_heads: how many.
    """
    weights = torch.ones(n_heads)
    best = quality_of(weights)
    for head in list(range(n_heads)) * ROUNDS:
        for step in WEIGHT_STEPS:
            tried = weights.clone()
            tried[head] = step
            quality = quality_of(tried) if tried.sum() > 0 else best
            if quality > best:
                weights, best = tried, quality
    return weights
