"""Bootstrap intervals of paired differences, and the champion–challenger test made of them.

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
BATCH_SIZE = 1_000_000  # listeners, over resamples drawn at once: 16 MB


@dataclass(frozen=True, slots=True)
class Difference:
    """A mean difference and its interval over listeners."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ChallengerTest:
    """A challenger against the champion, by nDCG@10 of the listeners in validation.

    Attributes:
        difference: challenger less champion.
    """

    champion: str
    challenger: str
    difference: Difference
    n_users: int

    @property
    def challenger_wins(self) -> bool:
        """Whether all of the interval lies above zero: a tie keeps the champion."""
        return self.difference.low > 0


def winning_challenger(challenger_tests: Sequence[ChallengerTest]) -> str | None:
    """The challenger that wins by most; None when the champion stays."""
    won = [one for one in challenger_tests if one.challenger_wins]
    return max(won, key=lambda one: one.difference.mean).challenger if won else None


def paired_difference(
    ours: Sequence[Tensor],
    theirs: Sequence[Tensor],
    generator: np.random.Generator,
    *,
    n_compared: int = 1,
) -> Difference:
    """Mean over listeners of ours - theirs, each averaged over the seeds, and its interval.

    Of several comparisons each gets its part of the 5 % that all together may err by (Bonferroni).

    Example: ours (1, 0) and (0, 0) in two seeds, theirs (0, 0) twice: differences of 0.5 and 0,
    mean 0.25.

    Args:
        ours: a metric of each listener, shape (n_users,), one tensor a seed; NaN where there is
            none.
        theirs: likewise, of the same seeds.
        generator: draws the listeners.
        n_compared: how many comparisons are made at once.
    """
    gap = (torch.stack(list(ours)) - torch.stack(list(theirs))).nanmean(dim=0)
    measured = gap[~gap.isnan()].numpy()
    drawn = stats.bootstrap(
        (measured,), np.mean, n_resamples=N_RESAMPLES,
        confidence_level=1 - (1 - CONFIDENCE) / n_compared,
        method="percentile", batch=max(1, BATCH_SIZE // len(measured)), rng=generator,
    )  # fmt: skip
    interval = drawn.confidence_interval
    return Difference(float(measured.mean()), float(interval.low), float(interval.high))
