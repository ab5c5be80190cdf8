"""rec_changes and the gates must compare with the same lists of the same run."""

from __future__ import annotations

import re
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from feature_store.publishing.publish import CurrentMoved
from jobs.publishing.compared_run import check_compared_run

R1 = SimpleNamespace(run_id="r1", event=SimpleNamespace(event_number=7))
LISTS = [("ann", "t1", 1), ("ann", "t2", 2)]


def lists(spark, rows):
    return spark.createDataFrame(rows, "user_id string, track_id string, rank int")


def changes(spark, *run_ids, track="t9", from_rank=None):
    """Changes of one track of ann's, once for each run."""
    rows = [("ann", track, from_rank, each) for each in run_ids]
    schema = "user_id string, track_id string, from_rank int, compared_run_id string"
    return spark.createDataFrame(rows, schema)


@pytest.mark.parametrize(
    ("compared", "published", "baseline"),
    [
        (["r1", "r1"], LISTS[:1], R1),
        ([], LISTS, R1),  # nothing has changed
        ([], None, None),  # nothing was published
    ],
)
def test_changes_against_the_baseline_pass(spark, compared, published, baseline):
    before = lists(spark, published) if published is not None else None

    check_compared_run(changes(spark, *compared), lists(spark, LISTS), before, baseline)


@pytest.mark.parametrize(
    ("compared", "published", "baseline", "message"),
    [
        (["r0"], LISTS, R1, "compares with run r0, the night must compare with run r1 (event 7)"),
        ([], LISTS[:1], R1, "compares with run none, the night must compare with run r1"),
        ([], [*LISTS, ("ben", "t1", 1)], R1, "compares with run none"),
        ([], [("ann", "t1", 2), ("ann", "t2", 1)], R1, "compares with run none"),
        (["r0"], None, None, "compares with run r0, the night must compare with run none"),
    ],
)
def test_changes_against_another_run_stop_the_publication(
    spark, compared, published, baseline, message
):
    before = lists(spark, published) if published is not None else None

    with pytest.raises(CurrentMoved, match=f"^rec_changes: .*{re.escape(message)}"):
        check_compared_run(changes(spark, *compared), lists(spark, LISTS), before, baseline)


@pytest.mark.parametrize(
    ("track", "from_rank", "is_refused"),
    [
        ("t1", 1, False),
        ("t9", None, False),  # entered
        ("t1", 3, True),
        ("t1", None, True),  # entered, and was there
        ("t9", 2, True),  # left, and was not there
    ],
)
def test_changes_from_ranks_of_an_earlier_publication_of_the_run_stop_it(
    spark, track, from_rank, is_refused
):
    """r1 was published, compared with, computed again and published again under its name."""
    staged = changes(spark, "r1", track=track, from_rank=from_rank)
    expected = pytest.raises(CurrentMoved, match="event 7") if is_refused else nullcontext()

    with expected:
        check_compared_run(staged, lists(spark, LISTS), lists(spark, LISTS[:1]), R1)
