"""A source that stops, sends a fraction, or sends what nobody can use is seen before publication."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa
import pytest

from feature_store.lake import spark_io
from feature_store.lake.storage import open_storage
from feature_store.tables.raw import RAW_LISTENS, RAW_REJECTS
from jobs.landing.manifests import close_days
from jobs.landing.withdrawal import withdraw
from jobs.landing.writer import LandingWriter
from jobs.publishing.feed_rules import feed_metrics
from tests.jobs.core.frames import at, frame

ONE_ROW = pa.table({"user_id": ["ada"]})


@pytest.fixture
def feeds(spark, night):
    """Thirty closed days: listens and users until yesterday, follows until five days ago, tags twice."""
    storage = open_storage(night.settings.lake)
    writer = LandingWriter(storage)
    for age in range(30, 0, -1):
        day = night.as_of - timedelta(days=age)
        for source, last in (("listens", 0), ("users", 0), ("follows", 4)):
            if age > last:
                writer.write_rows(source, day, ONE_ROW)
        if age in (29, 10):
            writer.write_rows("tags", day, ONE_ROW)
    writer.write_rows("users", night.as_of, ONE_ROW)
    close_days(storage, night.as_of)
    return night


def write(spark, night, table, names, rows):
    first = night.as_of - timedelta(days=40)
    spark_io.write(
        frame(spark, table, names, *rows), night.settings.lake, table,
        first=first, end=night.as_of + timedelta(days=1),
    )  # fmt: skip


def listens(night, counts_by_age):
    return [
        ("ada", "hymn", at(day, "00:00:00"), 1, 1, True, day, f"f{age}", number)
        for age, count in counts_by_age.items()
        for day in [night.as_of - timedelta(days=age)]
        for number in range(count)
    ]


LISTEN = "user_id track_id listened_at_utc played_ms duration_ms is_organic arrival_date source_file source_row"
REJECT = "table_name reject_reason reject_detail original_text arrival_date source_file source_row"


def metrics(spark, night):
    return {
        one.rule: (round(one.value, 3), one.low, one.high) for one in feed_metrics(spark, night)
    }


def test_each_source_is_judged_by_its_own_past(spark, feeds):
    """Half as many listens as on the last four weekdays; follows ended five days ago; tags are rare."""
    write(
        spark,
        feeds,
        RAW_LISTENS,
        LISTEN,
        listens(feeds, {0: 60, 7: 120, 14: 110, 21: 130, 28: 120, 3: 900}),
    )
    write(spark, feeds, RAW_REJECTS, REJECT, [])

    assert metrics(spark, feeds) == {
        "days_without_listens": (1, None, 3),
        "days_without_users": (0, None, 3),
        "days_without_follows": (5, None, 3),
        "weekday_row_ratio_listens": (0.5, 0.2, None),
    }


def test_a_day_without_any_listen_and_one_that_was_refused_whole_show(spark, feeds):
    write(spark, feeds, RAW_LISTENS, LISTEN, listens(feeds, {7: 120, 14: 120, 21: 120}))
    refused = [
        ("raw_listens", "out_of_range", "", "", feeds.as_of, "f", number) for number in range(150)
    ]
    waiting = ("raw_listens", "unknown_track", "", "", feeds.as_of, "g", 0)
    unreadable = ("raw_users", "unreadable_file", "", "", feeds.as_of, "u", 0)
    write(spark, feeds, RAW_REJECTS, REJECT, [*refused, waiting, unreadable])

    found = metrics(spark, feeds)

    assert found["weekday_row_ratio_listens"] == (0, 0.2, None)
    assert found["reject_ratio_listens"] == (1, None, 0.5)
    assert found["unreadable_file_ratio_users"] == (1, None, 0.5)


@pytest.mark.parametrize("silent_days", [4, 7, 20, 60])
def test_a_source_that_stopped_stays_noticed(spark, night, silent_days):
    """Judged by the days up to its newest file: silence does not make it irregular."""
    storage = open_storage(night.settings.lake)
    writer = LandingWriter(storage)
    for age in range(85, -1, -1):
        day = night.as_of - timedelta(days=age)
        if age >= silent_days and age % 7:  # six days a week
            writer.write_rows("listens", day, ONE_ROW)
        if age < 1:
            withdrawn = writer.write_rows("listens", day, ONE_ROW, "wrong")
    close_days(storage, night.as_of)
    now = at(night.as_of, "23:00:00")
    withdraw(storage, withdrawn, reason="sent twice", actor="ann", now=now)
    write(spark, night, RAW_REJECTS, REJECT, [])

    days, _, most = metrics(spark, night)["days_without_listens"]

    assert days >= silent_days > most


def test_a_young_lake_and_a_small_one_have_no_past_to_compare_with(spark, night):
    storage = open_storage(night.settings.lake)
    LandingWriter(storage).write_rows("listens", night.as_of, ONE_ROW)
    close_days(storage, night.as_of)
    write(spark, night, RAW_LISTENS, LISTEN, listens(night, {0: 1, 7: 200, 14: 200}))
    write(spark, night, RAW_REJECTS, REJECT, [])

    assert metrics(spark, night) == {}
