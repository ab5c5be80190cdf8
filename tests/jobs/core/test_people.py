"""core_users, core_follows, core_feedback and core_listen_counts: what people chose, day by day."""

from __future__ import annotations

from feature_store.tables.core import (
    CORE_FOLLOWS,
    CORE_LISTEN_COUNTS,
    CORE_TRACKS,
    CORE_USERS,
)
from feature_store.tables.raw import (
    RAW_FEEDBACK,
    RAW_FOLLOWS,
    RAW_LISTEN_COUNTS,
    RAW_LISTENS,
    RAW_USERS,
)
from jobs.core import feedback, follows, listen_counts, users
from tests.jobs.core.frames import FEB_27, FEB_28, FEB_29, MAR_1, at, frame, rows_of

USER = "user_id registered_date is_opted_out is_named_to_others"


def test_people_are_known_from_what_they_do_or_from_their_announcement(spark, night):
    """Seen a day before she is announced, dee has two versions.

    eve was known and only repeats herself, finn opts out, gus was known and is seen again.
    """
    found = users.build(
        frame(
            spark,
            RAW_USERS,
            f"{USER} arrival_date",
            ("dee", FEB_27, False, True, FEB_29),
            ("eve", None, False, False, FEB_29),
            ("finn", None, False, False, FEB_28),
            ("finn", None, True, False, FEB_28),
        ),
        frame(spark, RAW_LISTENS, "user_id arrival_date", ("ada", FEB_29), ("ada", FEB_28)),
        frame(spark, RAW_LISTEN_COUNTS, "user_id arrival_date", ("bo", FEB_28), ("gus", FEB_28)),
        frame(spark, RAW_FOLLOWS, "user_id followed_user_id arrival_date", ("cy", "dee", FEB_28)),
        frame(spark, RAW_FEEDBACK, "user_id arrival_date", ("hal", FEB_29), ("dee", FEB_29)),
        frame(
            spark,
            CORE_USERS,
            f"{USER} known_from_date",
            ("eve", None, False, False, FEB_27),
            ("finn", None, False, True, FEB_27),
            ("gus", None, False, False, FEB_27),
        ),
        night=night,
    )

    assert rows_of(found, f"{USER} known_from_date") == [
        ("ada", None, False, False, FEB_28),
        ("bo", None, False, False, FEB_28),
        ("cy", None, False, False, FEB_28),
        ("dee", None, False, False, FEB_28),
        ("dee", FEB_27, False, True, FEB_29),
        ("finn", None, True, False, FEB_28),
        ("hal", None, False, False, FEB_29),
    ]


def test_a_follow_has_a_row_for_each_day_that_changed_it(spark, night):
    """Begun and ended on one day is ended; repeated is no change; dated later is one."""
    shown = "user_id followed_user_id followed_from_date is_active"
    found = follows.build(
        frame(
            spark,
            RAW_FOLLOWS,
            f"{shown} arrival_date",
            ("ada", "bo", FEB_28, True, FEB_28),
            ("ada", "bo", FEB_28, False, FEB_28),
            ("bo", "ada", None, True, FEB_28),
            ("cy", "ada", FEB_27, True, FEB_28),
            ("ada", "bo", FEB_29, True, FEB_29),
        ),
        frame(
            spark,
            CORE_FOLLOWS,
            f"{shown} known_from_date",
            ("bo", "ada", None, True, FEB_27),
            ("cy", "ada", None, True, FEB_27),
        ),
        night=night,
    )

    assert rows_of(found, f"{shown} known_from_date") == [
        ("ada", "bo", FEB_28, False, FEB_28),
        ("ada", "bo", FEB_29, True, FEB_29),
        ("cy", "ada", FEB_27, True, FEB_28),
    ]


def catalogue(spark, *tracks):
    return frame(spark, CORE_TRACKS, "track_id known_from_date", *tracks)


def test_the_last_button_of_a_pair_counts_and_pairs_do_not_mix(spark, night):
    """Like and unlike are one pair, hide another; pressed last, not received last.

    The like of the new track comes in with its track; that of an unknown one stays out.
    """
    shown = "user_id track_id feedback_action"
    raw = frame(
        spark,
        RAW_FEEDBACK,
        f"{shown} given_at_utc arrival_date",
        ("ada", "hymn", "unlike", at(FEB_29, "12:00:00"), FEB_29),
        ("ada", "hymn", "like", at(FEB_29, "11:00:00"), FEB_29),
        ("ada", "hymn", "hide", at(FEB_29, "10:00:00"), FEB_29),
        ("bo", "never", "like", at(FEB_29, "10:00:00"), FEB_29),
        ("bo", "new", "like", at(FEB_28, "10:00:00"), FEB_28),
    )

    found = feedback.build(
        raw.where(f"arrival_date = '{FEB_29}'"),
        raw,
        catalogue(spark, ("new", FEB_29), ("hymn", FEB_29)),
        catalogue(spark, ("hymn", FEB_27)),
        night=night,
    )

    assert rows_of(found, f"{shown} known_from_date") == [
        ("ada", "hymn", "hide", FEB_29),
        ("ada", "hymn", "unlike", FEB_29),
        ("bo", "new", "like", FEB_29),
    ]


def test_the_newest_count_replaces_the_earlier(spark, night):
    """A count is a total: the last received of a day counts, an equal one is no change."""
    shown = "user_id track_id listen_count"
    raw = frame(
        spark,
        RAW_LISTEN_COUNTS,
        f"{shown} arrival_date",
        ("ada", "hymn", 5, FEB_28),
        ("ada", "hymn", 7, FEB_28),
        ("ada", "hymn", 7, FEB_29),
        ("ada", "hymn", 9, MAR_1),
        ("bo", "hymn", 3, FEB_28),
        ("bo", "new", 2, FEB_27),
    )

    found = listen_counts.build(
        raw.where(f"arrival_date >= '{FEB_28}'"),
        raw,
        catalogue(spark, ("new", MAR_1)),
        catalogue(spark, ("hymn", FEB_27)),
        frame(spark, CORE_LISTEN_COUNTS, f"{shown} known_from_date", ("bo", "hymn", 3, FEB_27)),
        night=night,
    )

    assert found.columns == CORE_LISTEN_COUNTS.column_names
    assert rows_of(found, f"{shown} known_from_date") == [
        ("ada", "hymn", 7, FEB_28),
        ("ada", "hymn", 9, MAR_1),
        ("bo", "new", 2, MAR_1),
    ]
