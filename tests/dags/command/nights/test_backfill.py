"""The plan of a backfill: outcome, expected time and size, conflicts, refused ranges."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest

from dags.command.nights.backfill import BackfillRefused, DayNotOver, plan_backfill
from feature_store.lake import arrow_io
from feature_store.lake.storage import open_storage
from feature_store.tables.runs import RUN_METRICS
from tests.feature_store.publishing.staging import (
    MARCH_1,
    MARCH_2,
    MARCH_3,
    NOON,
    publish_run,
    staged_run,
)

APRIL = datetime(2026, 4, 1, 12, tzinfo=UTC)


@pytest.fixture
def landed(settings):
    """Something landed on 1 March; readers have 2 March, published by r2."""
    open_storage(settings.lake).write("landing/listens/2026-03-01/a.parquet", b"")
    publish_run(staged_run(settings, MARCH_2, "r2"))
    return settings


def plan(settings, first=MARCH_1, last=MARCH_3, publish="auto", now=APRIL):
    return plan_backfill(settings, first, last, publish, now)


def test_the_plan_shows_the_newest_event_and_the_outcome_of_each_date(landed):
    planned = [(night.as_of, night.exists, night.outcome) for night in plan(landed)]

    assert planned == [
        (MARCH_1, "nothing", "staged"),
        (MARCH_2, "publish, event 1, run r2", "published"),
        (MARCH_3, "nothing", "published"),
    ]


def test_make_current_switches_readers_once_at_the_last_date(landed):
    nights = plan(landed, MARCH_1, MARCH_2, "make_current")

    assert [(night.publish, night.outcome) for night in nights] == [
        ("stage_only", "staged"),
        ("make_current", "published"),
    ]
    [alone] = plan(landed, MARCH_1, MARCH_1, "make_current")
    assert alone.outcome == "published, readers go back"


def test_expected_time_and_size_are_medians_of_complete_nights(landed):
    """Complete nights took 10, 20 and 60 s and wrote as many bytes; an interrupted run does not count."""
    for run_id, elapsed_s in (("a", 10), ("b", 20), ("c", 60)):
        _record(landed, run_id, "rec_changes", elapsed_s)
    _record(landed, "interrupted", "raw_listens", 1000)
    _record(landed, "r2", "raw_listens", 16)  # with the 4 x 1 s of its staged tables: 20

    night = plan(landed)[0]

    # r2 staged tables of more than 60 bytes: of 10, 20, 60 and more, the middle is 40.
    assert (night.expected_s, night.expected_bytes) == (20.0, 40)


def test_before_the_first_night_time_and_size_are_unknown(settings):
    open_storage(settings.lake).write("landing/listens/2026-03-01/a.parquet", b"")

    assert {(night.expected_s, night.exists) for night in plan(settings)} == {(None, "nothing")}


def test_a_plan_names_the_scheduled_run_that_may_be_running(landed):
    """At 02:30 on 3 March the night of 2 March has just begun."""
    early = datetime(2026, 3, 3, 2, 30, tzinfo=UTC)

    conflicts = {night.as_of: night.conflicts for night in plan(landed, last=MARCH_2, now=early)}

    scheduled = "the nightly run of 2026-03-03 02:00 UTC"
    assert conflicts[MARCH_1] == f"overlaps {scheduled}: tasks take turns"
    assert conflicts[MARCH_2] == f"{scheduled} covers this date"
    later = plan(landed, last=MARCH_2, now=datetime(2026, 3, 3, 12, tzinfo=UTC))
    assert {night.conflicts for night in later} == {""}


def test_a_long_backfill_names_the_scheduled_runs_that_it_overlaps(landed):
    """Two nights of 8 hours start at noon: the second overlaps the scheduled run of the next morning."""
    _record(landed, "slow", "rec_changes", 8 * 3600)
    _record(landed, "as slow", "rec_changes", 8 * 3600)

    nights = plan(landed, last=MARCH_2)

    assert nights[0].expected_s == 8 * 3600
    assert ["overlaps" in night.conflicts for night in nights] == [False, True]


@pytest.mark.parametrize(
    ("first", "last", "error", "message"),
    [
        (MARCH_2, MARCH_1, BackfillRefused, "2026-03-01 lies before 2026-03-02"),
        (MARCH_1, date(2026, 4, 1), DayNotOver, "2026-04-01: the day is not over .* 2026-03-31"),
        (MARCH_1 - timedelta(1), MARCH_1, BackfillRefused, r"nothing landed .* 2026-03-01\)"),
    ],
)
def test_a_range_that_cannot_be_run_is_refused(landed, first, last, error, message):
    with pytest.raises(error, match=message):
        plan(landed, first, last)


def _record(settings, run_id, task, elapsed_s):
    row = {
        "run_id": run_id,
        "as_of_date": MARCH_1,
        "stage": "recommendations",
        "task": task,
        "row_count": 1,
        "added_bytes": elapsed_s,
        "elapsed_s": float(elapsed_s),
        "table_version": 1,
        "content_sha256": "x",
        "recorded_at_utc": NOON,
    }
    arrow_io.append(
        settings.lake, RUN_METRICS, pa.Table.from_pylist([row], schema=RUN_METRICS.arrow_schema)
    )
