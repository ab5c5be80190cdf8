"""Bootstrap intervals, and the champion–challenger test."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from training.evaluation.significance import (
    ChallengerTest,
    Difference,
    paired_difference,
    winning_challenger,
)


def test_a_difference_is_averaged_over_seeds_and_then_over_listeners():
    """Gaps (1, 0, -) and (0, 0.5, -) in two seeds: 0.5 and 0.25, mean 0.375; the third listener has no metric."""
    missing = math.nan
    ours = [torch.tensor([1.0, 0.5, missing]), torch.tensor([1.0, 0.5, missing])]
    theirs = [torch.tensor([0.0, 0.5, missing]), torch.tensor([1.0, 0.0, missing])]

    difference = paired_difference(ours, theirs, np.random.default_rng(1))

    assert difference == Difference(0.375, 0.25, 0.5)


def test_an_interval_is_as_wide_as_the_spread_over_listeners():
    """For many listeners it is the normal one: mean ± 1.96 sd / sqrt(n); the seed decides it."""
    gap = torch.randn(2000, generator=torch.Generator().manual_seed(5)).double() + 0.1
    zero = torch.zeros_like(gap)
    half = 1.96 * float(gap.std()) / math.sqrt(2000)

    found, again, other = (
        paired_difference([gap], [zero], np.random.default_rng(seed)) for seed in (3, 3, 4)
    )

    assert found.low == pytest.approx(float(gap.mean()) - half, abs=half / 20)
    assert found.high == pytest.approx(float(gap.mean()) + half, abs=half / 20)
    assert found == again != other


def challenger_test(challenger: str, mean: float, low: float) -> ChallengerTest:
    return ChallengerTest("champion", challenger, Difference(mean, low, mean + 0.1), 20)


@pytest.mark.parametrize(
    ("challenger_tests", "winner"),
    [
        ([], None),
        ([challenger_test("one", 0.03, 0.0)], None),
        ([challenger_test("one", 0.03, 0.001)], "one"),
        ([challenger_test("one", 0.03, 0.02), challenger_test("two", 0.04, 0.01)], "two"),
        ([challenger_test("one", 0.02, 0.01), challenger_test("two", 0.5, -0.01)], "one"),
    ],
)
def test_a_challenger_wins_whose_whole_interval_lies_above_zero(challenger_tests, winner):
    """An interval that touches zero changes nothing; of several winners the one that is ahead by most."""
    assert winning_challenger(challenger_tests) == winner
