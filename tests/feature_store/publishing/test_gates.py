"""Gates: metrics compared with bounds."""

from __future__ import annotations

import pytest

from feature_store.publishing.gates import GateMetric, evaluate_gates


def test_bounds_are_inclusive_on_both_sides():
    metrics = [
        GateMetric("at_low", "t", 0.5, low=0.5),
        GateMetric("below_low", "t", 0.49, low=0.5),
        GateMetric("at_high", "t", 3, high=3),
        GateMetric("above_high", "t", 4, high=3),
        GateMetric("between", "t", 2, low=1, high=3),
    ]

    passed = {result.rule: result.is_passed for result in evaluate_gates(metrics)}

    assert passed == {
        "at_low": True,
        "below_low": False,
        "at_high": True,
        "above_high": False,
        "between": True,
    }


def test_a_broken_gate_names_table_rule_value_and_bound_and_keeps_its_examples_apart():
    """Its text goes to logs, alerts and lineage; the examples name listeners."""
    [broken] = evaluate_gates(
        [GateMetric("hidden_tracks", "rec_topk", 2, high=0, examples='{"user_id":"u1"}')]
    )

    assert str(broken) == "rec_topk: hidden_tracks is 2, must be at most 0"
    assert broken.as_row()["examples"] == '{"user_id":"u1"}'


def test_two_metrics_of_one_rule_are_an_error():
    with pytest.raises(ValueError, match="measured twice"):
        evaluate_gates([GateMetric("churn", "t", 1, high=2), GateMetric("churn", "t", 5, high=2)])


def test_no_metrics_give_no_results():
    assert evaluate_gates([]) == []
