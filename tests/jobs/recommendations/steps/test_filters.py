"""Filters: listens of core tables decide which tracks are recent, not edges of the graph."""

from __future__ import annotations

from datetime import date

from feature_store.tables.core import CORE_DAILY_LISTENS, CORE_LISTEN_COUNTS
from jobs.recommendations.steps.filters import recently_listened
from tests.jobs.core.frames import frame, rows_of


def test_recent_tracks_are_listens_of_the_last_30_days_and_all_counts(spark, night):
    """The 30 days up to 1 March 2026 begin on 31 January; one listen is enough."""
    recent = recently_listened(
        frame(
            spark,
            CORE_DAILY_LISTENS,
            "user_id track_id listened_date listen_count",
            ("ada", "old", date(2026, 1, 30), 9),
            ("ada", "recent", date(2026, 1, 31), 1),
            ("bo", "today", date(2026, 3, 1), 1),
        ),
        frame(spark, CORE_LISTEN_COUNTS, "user_id track_id listen_count", ("bo", "counted", 1)),
        night,
    )

    assert rows_of(recent, "user_id track_id") == [
        ("ada", "recent"),
        ("bo", "counted"),
        ("bo", "today"),
    ]
