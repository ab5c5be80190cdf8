"""rec_changes and the gates must compare with the same versions of the same run."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from feature_store.publishing.publish import CurrentMoved
from feature_store.tables.recommendations import REC_CHANGES
from jobs.publishing.compared_run import check_compared_run

R1 = SimpleNamespace(run_id="r1", event=SimpleNamespace(event_number=7))
STAGED = [("ann", "t1", 1), ("ann", "t2", 2)]
SWAPPED = [("ann", "t1", 2), ("ann", "t2", 1)]


@pytest.fixture
def check(spark, night):
    """Checks staged changes, written as (user, track, change, from, to, run), against lists of r1."""

    def lists(rows, run_id):
        schema = "as_of_date date, user_id string, track_id string, rank int, run_id string"
        return spark.createDataFrame([(night.as_of, *row, run_id) for row in rows], schema)

    def run(changes, published):
        rows = [
            (night.as_of, *change[:5], night.as_of, change[5], night.run_id) for change in changes
        ]
        check_compared_run(
            spark.createDataFrame(rows, REC_CHANGES.spark_schema()),
            lists(STAGED, night.run_id),
            lists(published, "r1") if published is not None else None,
            R1 if published is not None else None,
            night,
        )

    return run


T2_ENTERED = ("ann", "t2", "entered", None, 2, "r1")
T1_MOVED, T2_MOVED = ("ann", "t1", "moved", 2, 1, "r1"), ("ann", "t2", "moved", 1, 2, "r1")


@pytest.mark.parametrize(
    ("changes", "published"),
    [
        ([T2_ENTERED], STAGED[:1]),
        ([T2_MOVED, T1_MOVED], SWAPPED),
        ([("ben", "t1", "left", 1, None, "r1")], [*STAGED, ("ben", "t1", 1)]),
        ([], STAGED),  # nothing has changed
        ([], None),  # nothing was published
    ],
)
def test_the_changes_from_the_baseline_to_the_staged_lists_pass(check, changes, published):
    check(changes, published)


@pytest.mark.parametrize(
    ("changes", "published", "message"),
    [
        (
            [(*T2_ENTERED[:5], "r0")],
            STAGED[:1],
            "compares with run r0, .* against run r1 as event 7",
        ),
        ([], STAGED[:1], "compares with run none, .* against run r1"),
        ([], SWAPPED, "compares with run none"),
        ([(*T2_ENTERED[:5], "r0")], None, "compares with run r0, .* against no run"),
        # r1 was published again with other rows after rec_changes had been written.
        ([T2_ENTERED], SWAPPED, "compares with run r1, and its rows are not the changes"),
        # The staged lists were written again, and rec_changes was not.
        ([T2_ENTERED, T1_MOVED], STAGED[:1], "the lists were written again"),
    ],
)
def test_other_changes_stop_the_publication(check, changes, published, message):
    with pytest.raises(
        CurrentMoved, match=f"^rec_changes: .*{message}.*clear the task rec_changes"
    ):
        check(changes, published)
