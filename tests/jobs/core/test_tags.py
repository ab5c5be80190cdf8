"""core_tags: each user counts once for each track and tag."""

from __future__ import annotations

from feature_store.tables.core import CORE_TAGS
from feature_store.tables.raw import RAW_TAGS
from jobs.core import tags
from tests.jobs.core.frames import FEB_27, FEB_28, FEB_29, frame, rows_of


def test_a_tag_counts_once_for_each_user(spark, night):
    """Of two tags by ada the first received counts; the catalogue counts too; known tags do not."""
    names = "track_id tag user_id tagged_date arrival_date"
    first = tags.build(
        frame(
            spark,
            RAW_TAGS,
            names,
            ("hymn", "slow", "ada", FEB_27, FEB_28),
            ("hymn", "slow", "ada", FEB_28, FEB_28),
            ("hymn", "slow", None, None, FEB_28),
        ),
        frame(spark, CORE_TAGS, "tag_event_id"),
        night=night,
    )
    again = frame(
        spark,
        RAW_TAGS,
        names,
        ("hymn", "slow", "ada", FEB_29, FEB_29),
        ("hymn", "slow", "bo", FEB_29, FEB_29),
        ("hymn", "slow", None, None, FEB_29),
    )

    second = tags.build(again, first, night=night)

    columns = "track_id tag user_id tagged_date known_from_date"
    assert rows_of(first, columns) == [
        ("hymn", "slow", "ada", FEB_27, FEB_28),
        ("hymn", "slow", None, None, FEB_28),
    ]
    assert rows_of(second, columns) == [("hymn", "slow", "bo", FEB_29, FEB_29)]
