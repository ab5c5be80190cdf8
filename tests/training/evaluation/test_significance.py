"""Bootstrap intervals, and the champion–challenger test."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from training.evaluation.eval_result import EvalResult, joined
from training.evaluation.significance import (
    ChallengerTest,
    Difference,
    paired_difference,
    winning_challenger,
)
from training.evaluation.significance import challenger_test as compare


def test_a_difference_is_averaged_over_seeds_and_then_over_listeners():
    """Gaps (1, 0, -) and (0, 0.5, -) in two seeds: 0.5 and 0.25, mean 0.375; the third listener has no metric.

    Seeds are drawn too: one in sixteen resamples has the first seed and the first listener alone,
    which gives 1, and one in eight gives 0.
    """
    missing = math.nan
    ours = [torch.tensor([1.0, 0.5, missing]), torch.tensor([1.0, 0.5, missing])]
    theirs = [torch.tensor([0.0, 0.5, missing]), torch.tensor([1.0, 0.0, missing])]

    difference = paired_difference(ours, theirs, np.random.default_rng(1))

    assert difference == Difference(0.375, 0.0, 1.0)


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


def test_seeds_that_disagree_widen_the_interval():
    """2,000 listeners, gaps of .1 in one seed and -.1 in the other: the seed decides, not the listener."""
    gap = torch.full((2000,), 0.1)
    zero = torch.zeros_like(gap)

    alone = paired_difference([gap], [zero], np.random.default_rng(1))
    both = paired_difference([gap, -gap], [zero, zero], np.random.default_rng(1))

    assert alone == Difference(*[pytest.approx(0.1)] * 3)
    assert both == Difference(pytest.approx(0), pytest.approx(-0.1), pytest.approx(0.1))


def test_more_comparisons_widen_each_interval():
    """Of one comparison 2.5 % lie below the interval, of five .5 %: 1.96 and 2.58 deviations."""
    gap = torch.randn(2000, generator=torch.Generator().manual_seed(5)).double()
    zero, deviation = torch.zeros_like(gap), float(gap.std()) / math.sqrt(2000)

    one, five = (
        paired_difference([gap], [zero], np.random.default_rng(3), n_compared=n) for n in (1, 5)
    )

    assert (one.high - one.mean) / deviation == pytest.approx(1.96, abs=0.1)
    assert (five.high - five.mean) / deviation == pytest.approx(2.58, abs=0.15)


def result(per_unit: torch.Tensor, new: list[bool]) -> EvalResult:
    return EvalResult({}, per_unit, {"new": torch.tensor(new)})


def test_a_challenger_that_is_ahead_and_loses_a_segment_does_not_win():
    """Ahead by .1 for 90 listeners and behind by .2 for the 10 new ones: .07 over all."""
    new = [True] * 10 + [False] * 90
    theirs = result(torch.zeros(100), new)
    ours = result(torch.tensor([-0.2 if is_new else 0.1 for is_new in new]), new)
    generator = np.random.default_rng(1)

    found = compare("champion", "one", [ours], [theirs], generator, n_compared=1)

    assert found.difference.mean == pytest.approx(0.07)
    assert found.is_ahead
    assert found.losing_segments == ("new",)
    assert not found.challenger_wins


def test_a_segment_of_too_few_units_is_not_judged():
    """Four new listeners, where five are needed."""
    new = [True] * 4 + [False] * 90
    ours, theirs = (result(torch.full((94,), value), new) for value in (0.1, 0.0))
    generator = np.random.default_rng(1)

    found = compare("champion", "one", [ours], [theirs], generator, n_compared=1)

    assert dict(found.segments) == {}
    assert found.challenger_wins


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


def test_units_without_a_metric_take_no_part():
    """Ten units, of which four have no metric; of the segment only four have one, which are too few."""
    missing = torch.arange(10) < 4
    per_unit = torch.full((10,), 0.1).masked_fill(missing, torch.nan)
    new = [True] * 8 + [False] * 2
    ours, theirs = result(per_unit, new), result(per_unit * 0, new)
    generator = np.random.default_rng(1)

    found = compare("champion", "one", [ours], [theirs], generator, n_compared=1)

    assert found.n_units == 6
    assert found.difference.mean == pytest.approx(0.1)
    assert dict(found.segments) == {}


def test_a_challenger_never_wins_over_too_few_units():
    """Four of four listeners are better off, and four have no meaningful interval."""
    ours, theirs = (result(torch.full((4,), value), [True] * 4) for value in (0.5, 0.1))
    generator = np.random.default_rng(1)

    found = compare("champion", "one", [ours], [theirs], generator, n_compared=1)

    assert found.difference.low > 0
    assert not found.challenger_wins


def test_without_any_metric_there_is_no_interval_and_no_winner():
    nothing = result(torch.full((6,), torch.nan), [True] * 6)
    generator = np.random.default_rng(1)

    found = compare("champion", "one", [nothing], [nothing], generator, n_compared=1)

    assert math.isnan(found.difference.mean)
    assert not found.challenger_wins


def test_parts_of_a_holdout_are_joined_by_their_units():
    """Two units of .1 and three of .6: .4; a part without units does not count, whatever its mean."""
    parts = [
        EvalResult({"metric": value}, torch.full((n,), value), {"new": torch.ones(n) > 0})
        for value, n in ((0.1, 2), (math.nan, 0), (0.6, 3))
    ]

    both = joined(parts)

    assert both.values["metric"] == pytest.approx(0.4)
    assert both.n_units == len(both.segments["new"]) == 5
