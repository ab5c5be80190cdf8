"""core_listens: deduplication, late arrivals and sessions."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from feature_store.settings import Night
from feature_store.tables.core import CORE_LISTENS
from feature_store.tables.raw import RAW_LISTENS
from jobs.core import listens
from tests.jobs.core.frames import FEB_27, FEB_28, FEB_29, MAR_1, at, catalogue, frame, values_of

RAW = "user_id track_id listened_at_utc played_ms duration_ms is_organic arrival_date"
TRACKS = {"hymn": FEB_27, "aria": FEB_27, "late": FEB_29}
"""Tracks and the day from which the catalogue has each."""


def listen(user, track, day, clock, arrived, played_ms=1000):
    return (user, track, at(day, clock), played_ms, 2000, True, arrived)


def run_nights(spark, settings, raw, slices, tracks=TRACKS):
    """core_listens after one run per slice [first, end); each run gets only its own inputs."""
    columns = " ".join(CORE_LISTENS.column_names)
    written: list[dict[str, object]] = []
    for first, end in slices:
        arrived = frame(spark, RAW_LISTENS, RAW, *raw).where(f"arrival_date < '{end}'")
        all_tracks = catalogue(spark, *tracks.items())
        built = listens.build(
            arrived.where(f"arrival_date >= '{first}'"),
            arrived,
            all_tracks.where(f"known_from_date >= '{first}' AND known_from_date < '{end}'"),
            all_tracks.where(f"known_from_date < '{first}'"),
            frame(spark, CORE_LISTENS, columns, *[row.values() for row in written]),
            night=Night(end - timedelta(days=1), "test-run", settings),
        )
        written += built.toArrow().to_pylist()
    return written


def test_a_duplicate_listen_counts_once_as_first_received(spark, settings):
    """Duplicates in one file and on a later day; another track at the same instant is no duplicate."""
    raw = [
        listen("ada", "hymn", FEB_27, "10:00:00", FEB_27, played_ms=1000),
        listen("ada", "hymn", FEB_27, "10:00:00", FEB_27, played_ms=1500),
        listen("ada", "aria", FEB_27, "10:00:00", FEB_27, played_ms=3000),
        listen("ada", "hymn", FEB_27, "10:00:00", FEB_28, played_ms=1700),
    ]

    found = run_nights(spark, settings, raw, [(FEB_27, FEB_28), (FEB_28, FEB_29)])

    assert values_of(found, "track_id", "played_ms", "completion_ratio", "known_from_date") == [
        ("aria", 3000, 1.0, FEB_27),
        ("hymn", 1000, 0.5, FEB_27),
    ]


def test_a_listen_waits_late_track_days_for_its_track(spark, settings):
    """`late` enters the catalogue on 29 February; listens wait two days, so the 26th is too old.

    The listens of the 27th and 28th are known from the 29th, the listen of 1 March from 1 March.
    """
    two_days = settings.model_copy(update={"late_track_days": 2})
    feb_26 = date(2024, 2, 26)
    raw = [
        listen("ada", "late", day, "10:00:00", day) for day in (feb_26, FEB_27, FEB_28, MAR_1)
    ] + [listen("ada", "never", FEB_27, "11:00:00", FEB_27)]
    mar_2 = date(2024, 3, 2)

    at_once = run_nights(spark, two_days, raw, [(feb_26, mar_2)])
    nightly = run_nights(spark, two_days, raw, [(feb_26, FEB_29), (FEB_29, MAR_1), (MAR_1, mar_2)])

    expected = [
        (at(FEB_27, "10:00:00"), FEB_29),
        (at(FEB_28, "10:00:00"), FEB_29),
        (at(MAR_1, "10:00:00"), MAR_1),
    ]
    assert values_of(at_once, "listened_at_utc", "known_from_date") == expected
    assert values_of(nightly, "listened_at_utc", "known_from_date") == expected


SESSIONS = [
    listen("ada", "hymn", FEB_27, "23:30:00", FEB_27),
    listen("ada", "aria", FEB_27, "23:49:59", FEB_27),  # 1,199 s later: the same session
    listen("ada", "hymn", FEB_28, "00:09:58", FEB_28),  # 1,199 s later, past midnight: the same
    listen("ada", "aria", FEB_28, "00:29:58", FEB_28),  # 1,200 s later: a new one
    listen("ada", "hymn", FEB_27, "23:40:00", FEB_29),  # late, inside the first: joins it
    listen("ada", "hymn", FEB_28, "00:19:59", FEB_29),  # late, between two: joins the earlier
    listen("bo", "hymn", FEB_27, "23:35:00", FEB_27),  # another user: another session
]


AT_ONCE_AND_NIGHTLY = (
    [(FEB_27, MAR_1)],
    [(FEB_27, FEB_28), (FEB_28, FEB_29), (FEB_29, MAR_1)],
)


@pytest.mark.parametrize("slices", AT_ONCE_AND_NIGHTLY)
def test_sessions_are_the_same_computed_at_once_or_night_by_night(spark, settings, slices):
    """Gaps of 1,199 s join, of 1,200 s part; late listens join and never merge."""
    found = run_nights(spark, settings, SESSIONS, slices)

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


ENDS = [
    listen("ada", "hymn", FEB_27, "23:50:00", FEB_27),
    listen("ada", "aria", FEB_28, "00:10:00", FEB_28),  # 1,200 s later, past midnight: a new one
    listen("ada", "hymn", FEB_28, "00:29:59.999999", FEB_28),  # a microsecond less: the same
    listen("ada", "aria", FEB_28, "00:49:59.999999", FEB_28),  # 1,200 s later, one day: a new one
    listen("bo", "hymn", FEB_27, "23:50:00", FEB_27),
    listen("bo", "aria", FEB_28, "00:09:59.999999", FEB_28),  # a microsecond less: the same
    listen("cy", "hymn", FEB_27, "10:00:00", FEB_27),
    listen("cy", "aria", FEB_27, "10:00:00", FEB_28),  # the same instant, known later: the same
]


@pytest.mark.parametrize("slices", AT_ONCE_AND_NIGHTLY)
def test_a_session_ends_exactly_1200_s_after_its_last_listen(spark, settings, slices):
    """On either side of the gap, inside a day and past midnight, where the night before wrote the session."""
    found = run_nights(spark, settings, ENDS, slices)

    opened = {row["listen_id"]: row["listened_at_utc"] for row in found}
    assert [
        opened[row["session_id"]].strftime("%d %H:%M")
        for row in sorted(found, key=lambda row: (row["user_id"], row["listened_at_utc"]))
    ] == [
        "27 23:50", "28 00:10", "28 00:10", "28 00:49",
        "27 23:50", "27 23:50",
        "27 10:00", "27 10:00",
    ]  # fmt: skip
    assert len({row["session_id"] for row in found}) == 5  # no session of two listeners
