"""Results of champion-challenger tests, from rows of score_evaluation."""

from __future__ import annotations

from feature_store.runs.challenger_tests import Difference, is_test_result, newest_test
from tests.feature_store.runs.model_rows import ahead, evaluated, march


def test_a_difference_has_its_bounds_overall_and_by_segment():
    """The segment few_listens has an underscore, like the suffixes of the bounds."""
    rows = evaluated(
        "aaaa",
        {"ndcg_at_10": 0.2} | ahead(0.02, 0.01, 0.03) | ahead(-0.2, -0.3, -0.1, "few_listens"),
    )

    assert newest_test(rows, "aaaa") == (
        Difference("ndcg_at_10", "", 0.02, 0.01, 0.03, march(1)),
        Difference("ndcg_at_10", "few_listens", -0.2, -0.3, -0.1, march(1)),
    )


def test_a_segment_loses_when_all_of_its_interval_is_below_zero():
    """-0.1 to 0 touches zero; over all listeners nothing is a losing segment."""
    rows = evaluated(
        "aaaa",
        ahead(-0.2, -0.3, -0.1)
        | ahead(-0.2, -0.3, -0.1, "new")
        | ahead(-0.05, -0.1, 0.0, "no_follows"),
    )

    losing = {one.segment: one.is_losing_segment for one in newest_test(rows, "aaaa")}

    assert losing == {"": False, "new": True, "no_follows": False}


def test_the_newest_test_of_the_version_counts():
    """Results of another version, of the split test and of later days without a test do not count."""
    rows = [
        *evaluated("aaaa", ahead(0.1, 0.0, 0.2), day=1),
        *evaluated("aaaa", ahead(0.3, 0.2, 0.4), day=3),
        *evaluated("aaaa", {"ndcg_at_10": 0.5}, day=4),
        *evaluated("aaaa", ahead(0.6, 0.5, 0.7), day=5, split="test"),
        *evaluated("bbbb", ahead(0.9, 0.8, 1.0), day=6),
    ]

    assert [(one.mean, one.as_of) for one in newest_test(rows, "aaaa")] == [(0.3, march(3))]
    assert newest_test(rows, "cccc") == ()


def test_a_difference_reads_as_segment_metric_and_interval():
    one = Difference("ndcg_at_10", "new", -0.02, -0.03, -0.01, march(1))

    assert str(one) == "new: ndcg_at_10 -0.0200 (-0.0300 to -0.0100)"


def test_only_metrics_of_a_test_are_its_results():
    names = ["ndcg_at_10_ahead", "ndcg_at_10_ahead.new_low", "ndcg_at_10", "ndcg_at_10.new"]

    assert [is_test_result(name) for name in names] == [True, True, False, False]
