"""core_daily_listens: integer sums, and listens that an impression explains."""

from __future__ import annotations

from feature_store.settings import Night
from feature_store.tables.core import CORE_DAILY_LISTENS, CORE_IMPRESSIONS, CORE_LISTENS
from jobs.core import daily_listens
from tests.jobs.core.frames import FEB_28, FEB_29, MAR_1, at, frame, rows_of

IMPRESSION = "user_id track_id shown_at_utc known_from_date"


def test_daily_sums_are_integers_by_the_day_of_listening(spark, night):
    """Two thirds are 667 thousandths; a listen of 29 February known on 1 March is its own row."""
    core = frame(
        spark,
        CORE_LISTENS,
        "listen_id user_id track_id listened_at_utc completion_ratio is_organic known_from_date",
        ("1", "ada", "hymn", at(FEB_29, "00:00:00"), 2 / 3, True, FEB_29),
        ("2", "ada", "hymn", at(FEB_29, "23:59:59"), 1.0, False, FEB_29),
        ("3", "ada", "hymn", at(FEB_29, "12:00:00"), 0.25, True, MAR_1),
        ("4", "ada", "hymn", at(MAR_1, "00:00:00"), 0.5, False, MAR_1),
    )

    sums = daily_listens.build(core, frame(spark, CORE_IMPRESSIONS, IMPRESSION), night=night)

    assert rows_of(sums, " ".join(CORE_DAILY_LISTENS.column_names)) == [
        ("ada", "hymn", FEB_29, 1, 250, 1, MAR_1),
        ("ada", "hymn", FEB_29, 2, 1667, 1, FEB_29),
        ("ada", "hymn", MAR_1, 1, 500, 0, MAR_1),
    ]


def test_a_listen_soon_after_an_impression_of_its_track_is_not_organic(spark, night):
    """Hymn was shown to ada at 10:00, so her listens of hymn in the next 24 hours are not organic.

    Earlier and later listens, listens of another track and of another user stay organic. An
    impression that became known after the listen changes nothing, and two impressions count no
    listen twice.
    """
    core = frame(
        spark,
        CORE_LISTENS,
        "listen_id user_id track_id listened_at_utc completion_ratio is_organic known_from_date",
        ("1", "ada", "hymn", at(FEB_28, "09:59:58"), 1.0, True, FEB_28),
        ("2", "ada", "hymn", at(FEB_28, "10:00:00"), 1.0, True, FEB_28),
        ("3", "ada", "hymn", at(FEB_29, "09:59:59"), 1.0, True, FEB_29),
        ("4", "ada", "hymn", at(FEB_29, "10:00:00"), 1.0, True, FEB_29),
        ("5", "ada", "aria", at(FEB_28, "10:00:01"), 1.0, True, FEB_28),
        ("6", "bo", "hymn", at(FEB_28, "10:00:01"), 1.0, True, FEB_28),
        ("7", "ada", "late", at(FEB_28, "12:00:00"), 1.0, True, FEB_28),
    )
    impressions = frame(
        spark,
        CORE_IMPRESSIONS,
        IMPRESSION,
        ("ada", "hymn", at(FEB_28, "10:00:00"), FEB_28),
        ("ada", "hymn", at(FEB_28, "09:59:59"), FEB_28),
        ("ada", "late", at(FEB_28, "11:00:00"), FEB_29),
    )

    sums = daily_listens.build(core, impressions, night=night)

    columns = "user_id track_id listened_date listen_count organic_count"
    assert rows_of(sums, columns) == [
        ("ada", "aria", FEB_28, 1, 1),
        ("ada", "hymn", FEB_28, 2, 1),
        ("ada", "hymn", FEB_29, 2, 1),
        ("ada", "late", FEB_28, 1, 1),
        ("bo", "hymn", FEB_28, 1, 1),
    ]


def test_with_shown_hours_0_only_the_player_decides(spark, night):
    without_hours = Night(
        night.as_of, night.run_id, night.settings.model_copy(update={"shown_hours": 0})
    )
    core = frame(
        spark,
        CORE_LISTENS,
        "listen_id user_id track_id listened_at_utc completion_ratio is_organic known_from_date",
        ("1", "ada", "hymn", at(FEB_28, "10:00:00"), 1.0, True, FEB_28),
    )
    impressions = frame(
        spark, CORE_IMPRESSIONS, IMPRESSION, ("ada", "hymn", at(FEB_28, "10:00:00"), FEB_28)
    )

    sums = daily_listens.build(core, impressions, night=without_hours)

    assert rows_of(sums, "organic_count") == [(1,)]
