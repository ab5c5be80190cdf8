"""rec_changes and the gates must compare with the same run."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from feature_store.publishing.publish import CurrentMoved
from jobs.publishing.compared_run import check_compared_run

R1 = SimpleNamespace(run_id="r1", event=SimpleNamespace(event_number=7))
LISTS = [("ann", "t1", 1), ("ann", "t2", 2)]


def lists(spark, rows):
    return spark.createDataFrame(rows, "user_id string, track_id string, rank int")


def changes(spark, *run_ids):
    return spark.createDataFrame([(each,) for each in run_ids], "compared_run_id string")


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
