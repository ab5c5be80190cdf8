"""core_listens: each listen once, from the day on which it and its track are known; sessions."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from feature_store.settings import Night
from feature_store.tables.core import (
    CORE_DAILY_LISTENS,
    CORE_IMPRESSIONS,
    CORE_LISTENS,
    CORE_TRACKS,
)
from feature_store.tables.raw import RAW_IMPRESSIONS, RAW_LISTENS
from jobs.core import daily_listens, impressions, listens
from tests.jobs.core.frames import FEB_27, FEB_28, FEB_29, MAR_1, at, frame, rows_of

RAW = "user_id track_id listened_at_utc played_ms duration_ms is_organic arrival_date"
SHOWN = "user_id track_id shown_at_utc known_from_date"
TRACKS = {"hymn": FEB_27, "aria": FEB_27, "late": FEB_29}
"""Tracks and the day on which each was announced."""


def listen(user, track, day, clock, arrived, played_ms=1000):
    return (user, track, at(day, clock), played_ms, 2000, True, arrived)


def nights(spark, settings, raw, slices, tracks=TRACKS):
    """All listens after one run for each slice [first, end), each seeing only what it may see."""
    columns = " ".join(CORE_LISTENS.column_names)
    written: list[dict[str, object]] = []
    for first, end in slices:
        arrived = frame(spark, RAW_LISTENS, RAW, *raw).where(f"arrival_date < '{end}'")
        catalogue = frame(spark, CORE_TRACKS, "track_id known_from_date", *tracks.items())
        built = listens.build(
            arrived.where(f"arrival_date >= '{first}'"),
            arrived,
            catalogue.where(f"known_from_date >= '{first}' AND known_from_date < '{end}'"),
            catalogue.where(f"known_from_date < '{first}'"),
            frame(spark, CORE_LISTENS, columns, *[row.values() for row in written]),
            night=Night(end - timedelta(days=1), "test-run", settings),
        )
        written += built.toArrow().to_pylist()
    return written


def shown(rows, *names):
    return sorted(tuple(row[name] for name in names) for row in rows)


def test_the_same_listen_sent_twice_counts_once_and_the_first_received_counts(spark, settings):
    """Sent again within a file and on a later day; the same moment of another track is another."""
    raw = [
        listen("ada", "hymn", FEB_27, "10:00:00", FEB_27, played_ms=1000),
        listen("ada", "hymn", FEB_27, "10:00:00", FEB_27, played_ms=1500),
        listen("ada", "aria", FEB_27, "10:00:00", FEB_27, played_ms=3000),
        listen("ada", "hymn", FEB_27, "10:00:00", FEB_28, played_ms=1700),
    ]

    found = nights(spark, settings, raw, [(FEB_27, FEB_28), (FEB_28, FEB_29)])

    assert shown(found, "track_id", "played_ms", "completion_ratio", "known_from_date") == [
        ("aria", 3000, 1.0, FEB_27),
        ("hymn", 1000, 0.5, FEB_27),
    ]


def test_a_listen_waits_for_its_track_for_so_many_days(spark, settings):
    """`late` is announced on 29 February, patience is two days: the listen of the 26th is too old.

    Those of the 27th and 28th are known from the 29th, that of 1 March from 1 March.
    """
    patient = settings.model_copy(update={"late_track_days": 2})
    feb_26 = date(2024, 2, 26)
    raw = [
        listen("ada", "late", day, "10:00:00", day) for day in (feb_26, FEB_27, FEB_28, MAR_1)
    ] + [listen("ada", "never", FEB_27, "11:00:00", FEB_27)]
    mar_2 = date(2024, 3, 2)

    at_once = nights(spark, patient, raw, [(feb_26, mar_2)])
    nightly = nights(spark, patient, raw, [(feb_26, FEB_29), (FEB_29, MAR_1), (MAR_1, mar_2)])

    expected = [
        (at(FEB_27, "10:00:00"), FEB_29),
        (at(FEB_28, "10:00:00"), FEB_29),
        (at(MAR_1, "10:00:00"), MAR_1),
    ]
    assert shown(at_once, "listened_at_utc", "known_from_date") == expected
    assert shown(nightly, "listened_at_utc", "known_from_date") == expected


SESSIONS = [
    listen("ada", "hymn", FEB_27, "23:30:00", FEB_27),
    listen("ada", "aria", FEB_27, "23:49:59", FEB_27),  # 1,199 s later: the same session
    listen("ada", "hymn", FEB_28, "00:09:58", FEB_28),  # 1,199 s later, past midnight: the same
    listen("ada", "aria", FEB_28, "00:29:58", FEB_28),  # 1,200 s later: a new one
    listen("ada", "hymn", FEB_27, "23:40:00", FEB_29),  # late, inside the first: joins it
    listen("ada", "hymn", FEB_28, "00:19:59", FEB_29),  # late, between two: joins the earlier
    listen("bo", "hymn", FEB_27, "23:35:00", FEB_27),  # another person: another session
]


@pytest.mark.parametrize(
    "slices",
    [
        [(FEB_27, MAR_1)],
        [(FEB_27, FEB_28), (FEB_28, FEB_29), (FEB_29, MAR_1)],
    ],
)
def test_sessions_are_the_same_computed_at_once_or_night_by_night(spark, settings, slices):
    """Gaps of 1,199 s join, of 1,200 s part; late listens join and never merge."""
    found = nights(spark, settings, SESSIONS, slices)

    name_of = {
        row["listen_id"]: f"{row['user_id']} {row['listened_at_utc']:%H:%M:%S}" for row in found
    }
    assert {name_of[row["listen_id"]]: name_of[row["session_id"]] for row in found} == {
        "ada 23:30:00": "ada 23:30:00",
        "ada 23:49:59": "ada 23:30:00",
        "ada 00:09:58": "ada 23:30:00",
        "ada 00:29:58": "ada 00:29:58",
        "ada 23:40:00": "ada 23:30:00",
        "ada 00:19:59": "ada 23:30:00",
        "bo 23:35:00": "bo 23:35:00",
    }


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

    sums = daily_listens.build(core, frame(spark, CORE_IMPRESSIONS, SHOWN), night=night)

    assert rows_of(sums, " ".join(CORE_DAILY_LISTENS.column_names)) == [
        ("ada", "hymn", FEB_29, 1, 250, 1, MAR_1),
        ("ada", "hymn", FEB_29, 2, 1667, 1, FEB_29),
        ("ada", "hymn", MAR_1, 1, 500, 0, MAR_1),
    ]


def test_a_listen_soon_after_its_track_was_shown_is_not_organic(spark, night):
    """Hymn was shown to ada at 10:00: what she plays of it from then on, for 24 hours, is not her own idea.

    Before that, a day later, of another track and by another person it is; an impression that became known after the
    listen changes nothing, and two impressions count no listen twice.
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
    shown = frame(
        spark,
        CORE_IMPRESSIONS,
        SHOWN,
        ("ada", "hymn", at(FEB_28, "10:00:00"), FEB_28),
        ("ada", "hymn", at(FEB_28, "09:59:59"), FEB_28),
        ("ada", "late", at(FEB_28, "11:00:00"), FEB_29),
    )

    sums = daily_listens.build(core, shown, night=night)

    columns = "user_id track_id listened_date listen_count organic_count"
    assert rows_of(sums, columns) == [
        ("ada", "aria", FEB_28, 1, 1),
        ("ada", "hymn", FEB_28, 2, 1),
        ("ada", "hymn", FEB_29, 2, 1),
        ("ada", "late", FEB_28, 1, 1),
        ("bo", "hymn", FEB_28, 1, 1),
    ]


def test_with_no_hours_only_the_player_s_word_counts(spark, night):
    own_word = Night(
        night.as_of, night.run_id, night.settings.model_copy(update={"shown_hours": 0})
    )
    core = frame(
        spark,
        CORE_LISTENS,
        "listen_id user_id track_id listened_at_utc completion_ratio is_organic known_from_date",
        ("1", "ada", "hymn", at(FEB_28, "10:00:00"), 1.0, True, FEB_28),
    )
    shown = frame(spark, CORE_IMPRESSIONS, SHOWN, ("ada", "hymn", at(FEB_28, "10:00:00"), FEB_28))

    sums = daily_listens.build(core, shown, night=own_word)

    assert rows_of(sums, "organic_count") == [(1,)]


def test_an_impression_counts_once_from_the_day_on_which_its_track_is_known(spark, settings):
    """Sent twice on a day and again two days later; that of a track announced later waits for it."""
    raw = [
        ("ada", "hymn", at(FEB_27, "10:00:00"), FEB_27),
        ("ada", "hymn", at(FEB_27, "10:00:00"), FEB_27),
        ("ada", "hymn", at(FEB_27, "10:00:00"), FEB_29),
        ("ada", "hymn", at(FEB_29, "10:00:00"), FEB_29),
        ("ada", "late", at(FEB_27, "10:00:00"), FEB_27),
    ]
    catalogue = frame(spark, CORE_TRACKS, "track_id known_from_date", *TRACKS.items())
    written = []
    for first, end in [(FEB_27, FEB_29), (FEB_29, MAR_1)]:
        columns = "user_id track_id shown_at_utc arrival_date"
        arrived = frame(spark, RAW_IMPRESSIONS, columns, *raw).where(f"arrival_date < '{end}'")
        built = impressions.build(
            arrived.where(f"arrival_date >= '{first}'"),
            arrived,
            catalogue.where(f"known_from_date >= '{first}' AND known_from_date < '{end}'"),
            catalogue.where(f"known_from_date < '{first}'"),
            frame(spark, CORE_IMPRESSIONS, SHOWN, *[tuple(row.values()) for row in written]),
            night=Night(end - timedelta(days=1), "test-run", settings),
        )
        written += built.toArrow().to_pylist()

    assert shown(written, "track_id", "shown_at_utc", "known_from_date") == [
        ("hymn", at(FEB_27, "10:00:00"), FEB_27),
        ("hymn", at(FEB_29, "10:00:00"), FEB_29),
        ("late", at(FEB_27, "10:00:00"), FEB_29),
    ]
