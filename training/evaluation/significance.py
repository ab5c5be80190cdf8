"""Bootstrap intervals of paired differences, and the champion–challenger test made of them.

Reference: the percentile bootstrap, Efron, Tibshirani 1993, chapter 13.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from training.evaluation.eval_result import EvalResult

N_RESAMPLES = 10_000
CONFIDENCE = 0.95
MIN_UNITS = 5  # fewer have no meaningful interval
BATCH_SIZE = 1_000_000  # units, over resamples drawn at once: 16 MB


@dataclass(frozen=True, slots=True)
class Difference:
    """A mean difference and its interval over units and seeds."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ChallengerTest:
    """A challenger against the champion, by the task's metric of each unit in validation.

    Attributes:
        difference: challenger less champion.
        segments: the same over the units of each segment.
        n_units: units in the test.
    """

    champion: str
    challenger: str
    difference: Difference
    n_units: int
    segments: Mapping[str, Difference] = field(default_factory=dict)

    @property
    def losing_segments(self) -> tuple[str, ...]:
        """Segments in which all of the interval lies below zero."""
        return tuple(name for name, one in self.segments.items() if one.high < 0)

    @property
    def is_ahead(self) -> bool:
        """Whether all of the interval lies above zero, over enough units to have one."""
        return self.n_units >= MIN_UNITS and self.difference.low > 0

    @property
    def challenger_wins(self) -> bool:
        """Whether it is ahead and no segment loses: a tie keeps the champion."""
        return self.is_ahead and not self.losing_segments


def winning_challenger(challenger_tests: Sequence[ChallengerTest]) -> str | None:
    """The challenger that wins by most; None when the champion stays."""
    won = [one for one in challenger_tests if one.challenger_wins]
    return max(won, key=lambda one: one.difference.mean).challenger if won else None


def challenger_test(
    champion: str,
    challenger: str,
    ours: Sequence[EvalResult],
    theirs: Sequence[EvalResult],
    generator: np.random.Generator,
    *,
    n_compared: int,
) -> ChallengerTest:
    """Compare a challenger with the champion on the same units, overall and by segment.

    Args:
        champion: name of the family that scores so far.
        challenger: name of the other one.
        ours: results of the challenger, one a seed.
        theirs: results of the champion, of the same seeds.
        generator: draws units and seeds.
        n_compared: how many challengers are compared at once.
    """
    has_metric = _units_with_a_metric(ours) & _units_with_a_metric(theirs)
    segments = {
        name: mask & has_metric
        for name, mask in theirs[0].segments.items()
        if MIN_UNITS <= int((mask & has_metric).sum()) < int(has_metric.sum())
    }
    differences = {
        name: paired_difference(
            [one.per_unit[mask] for one in ours],
            [one.per_unit[mask] for one in theirs],
            generator,
            n_compared=n_compared,
        )
        for name, mask in {"": has_metric, **segments}.items()
    }
    overall = differences.pop("")
    return ChallengerTest(champion, challenger, overall, int(has_metric.sum()), differences)


def _units_with_a_metric(results: Sequence[EvalResult]) -> Tensor:
    """Units that have the metric in some seed, shape (n_units,) bool."""
    return ~torch.stack([one.per_unit for one in results]).isnan().all(dim=0)


def paired_difference(
    ours: Sequence[Tensor],
    theirs: Sequence[Tensor],
    generator: np.random.Generator,
    *,
    n_compared: int = 1,
) -> Difference:
    """Mean over units of ours - theirs, each averaged over the seeds, and its interval.

    Seeds as well as units are drawn with replacement, so that the interval also holds what another
    seed would have given. Of several comparisons each gets its part of the 5 % that all together
    may err by (Bonferroni).

    Example: ours (1, 0) and (0, 0) in two seeds, theirs (0, 0) twice: differences of 0.5 and 0,
    mean 0.25.

    Args:
        ours: a metric of each unit, shape (n_units,), one tensor a seed; NaN where there is none.
        theirs: likewise, of the same seeds.
        generator: draws seeds and units.
        n_compared: how many comparisons are made at once.
    """
    gaps = (torch.stack(list(ours)) - torch.stack(list(theirs))).double()  # (seeds, n_units)
    gaps = gaps[:, ~gaps.isnan().all(dim=0)]
    if not gaps.shape[1]:
        return Difference(math.nan, math.nan, math.nan)
    mean = float(gaps.nanmean(dim=0).mean())
    drawn = np.concatenate(list(_resampled_means(gaps.numpy(), generator)))
    tail = (1 - CONFIDENCE) / n_compared / 2
    low, high = np.quantile(drawn, (tail, 1 - tail))
    return Difference(mean, float(low), float(high))


def _resampled_means(
    gaps: NDArray[np.float64], generator: np.random.Generator
) -> Iterator[NDArray[np.float64]]:
    """Means of N_RESAMPLES draws of seeds and units, in pieces that bound the memory.

    Resamples with the same seeds, in whatever order, share the mean over seeds.

    Args:
        gaps: shape (seeds, n_units); NaN where a seed lacks the unit.
        generator: draws.
    """
    n_seeds = len(gaps)
    counts = generator.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), size=N_RESAMPLES)
    is_there = ~np.isnan(gaps)
    for weights, n_resamples in zip(*np.unique(counts, axis=0, return_counts=True), strict=True):
        weight = (weights[:, None] * is_there).sum(axis=0)
        total = (weights[:, None] * np.where(is_there, gaps, 0)).sum(axis=0)
        gap = total[weight > 0] / weight[weight > 0]
        if not len(gap):
            continue  # these seeds have no unit
        size = max(1, BATCH_SIZE // len(gap))
        for start in range(0, n_resamples, size):
            n_drawn = min(size, n_resamples - start)
            yield gap[generator.integers(len(gap), size=(n_drawn, len(gap)))].mean(axis=1)
