"""Is one family better than another beyond chance? Differences of the same people, with intervals.

Reference: the percentile bootstrap, Efron, Tibshirani 1993, chapter 13.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats
from torch import Tensor

N_RESAMPLES = 10_000
CONFIDENCE = 0.95
DRAWN_AT_ONCE = 1_000_000  # people, over resamples: 16 MB


@dataclass(frozen=True, slots=True)
class Difference:
    """A mean difference and its interval over people."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Contest:
    """A challenger against the champion, by nDCG@10 of the people in validation.

    Attributes:
        ahead: challenger less champion.
    """

    champion: str
    challenger: str
    ahead: Difference
    n_users: int

    @property
    def is_won(self) -> bool:
        """Only when all of the interval lies above zero: a tie changes nothing for listeners."""
        return self.ahead.low > 0


def winner_of(contests: Sequence[Contest]) -> str | None:
    """Who won by most; None when the champion stays."""
    won = [one for one in contests if one.is_won]
    return max(won, key=lambda one: one.ahead.mean).challenger if won else None


def paired_difference(
    ours: Sequence[Tensor],
    theirs: Sequence[Tensor],
    generator: np.random.Generator,
    *,
    n_compared: int = 1,
) -> Difference:
    """Mean over people of ours - theirs, each averaged over the seeds, and its interval.

    Of several comparisons each gets its part of the 5 % that all together may err by (Bonferroni).

    Example: ours (1, 0) and (0, 0) in two seeds, theirs (0, 0) twice: differences of 0.5 and 0,
    mean 0.25.

    Args:
        ours: a figure of each person, shape (n_users,), one tensor a seed; NaN where there is none.
        theirs: likewise, of the same seeds.
        generator: draws the people.
        n_compared: how many comparisons are made at once.
    """
    gap = (torch.stack(list(ours)) - torch.stack(list(theirs))).nanmean(dim=0)
    measured = gap[~gap.isnan()].numpy()
    drawn = stats.bootstrap(
        (measured,), np.mean, n_resamples=N_RESAMPLES,
        confidence_level=1 - (1 - CONFIDENCE) / n_compared,
        method="percentile", batch=max(1, DRAWN_AT_ONCE // len(measured)), rng=generator,
    )  # fmt: skip
    interval = drawn.confidence_interval
    return Difference(float(measured.mean()), float(interval.low), float(interval.high))
