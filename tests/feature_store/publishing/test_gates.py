"""Gates: figures against bounds."""

from __future__ import annotations

import pytest

from feature_store.publishing.gates import Measure, judge


def test_bounds_are_inclusive_on_both_sides():
    figures = [
        Measure("at_low", "t", 0.5, low=0.5),
        Measure("below_low", "t", 0.49, low=0.5),
        Measure("at_high", "t", 3, high=3),
        Measure("above_high", "t", 4, high=3),
        Measure("between", "t", 2, low=1, high=3),
    ]

    verdicts = {result.rule: result.is_passed for result in judge(figures)}

    assert verdicts == {
        "at_low": True,
        "below_low": False,
        "at_high": True,
        "above_high": False,
        "between": True,
    }


def test_a_verdict_says_table_rule_value_bound_and_examples():
    [broken] = judge([Measure("hidden_tracks", "rec_topk", 2, high=0, examples='{"user_id":"u1"}')])

    assert str(broken) == (
        'rec_topk: hidden_tracks is 2, must be at most 0; for example {"user_id":"u1"}'
    )


def test_one_rule_measured_twice_is_an_error():
    with pytest.raises(ValueError, match="measured twice"):
        judge([Measure("churn", "t", 1, high=2), Measure("churn", "t", 5, high=2)])


def test_nothing_measured_gives_nothing():
    assert judge([]) == []
