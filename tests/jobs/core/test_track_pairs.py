"""core_track_pairs: what a listener finished right after another track, by what was known then."""

from __future__ import annotations

from datetime import timedelta

import pytest

from feature_store.settings import Night
from feature_store.tables.core import CORE_IMPRESSIONS, CORE_LISTENS, CORE_TRACK_PAIRS
from jobs.core import track_pairs
from tests.jobs.core.frames import FEB_27, FEB_28, FEB_29, MAR_1, at, frame, values_of

LISTEN = "listen_id user_id track_id listened_at_utc completion_ratio is_organic session_id known_from_date"
IMPRESSION = "user_id track_id shown_at_utc known_from_date"
ONE_NIGHT = [(FEB_27, MAR_1)]
NIGHT_BY_NIGHT = [(FEB_27, FEB_28), (FEB_28, FEB_29), (FEB_29, MAR_1)]


def listen(
    listen_id, user, track, session, clock, *, day=FEB_27, known=FEB_27, ratio=1.0, organic=True
):
    return (listen_id, user, track, at(day, clock), ratio, organic, session, known)


def run_nights(spark, settings, listens, *, impressions=(), slices=ONE_NIGHT):
    """core_track_pairs after one run per slice [first, end); each run gets only its own inputs."""
    written = []
    for first, end in slices:
        known = frame(spark, CORE_LISTENS, LISTEN, *listens).where(f"known_from_date < '{end}'")
        shown = frame(spark, CORE_IMPRESSIONS, IMPRESSION, *impressions)
        built = track_pairs.build(
            known.where(f"known_from_date >= '{first}'"),
            known.where(f"known_from_date < '{first}'"),
            shown.where(f"known_from_date < '{end}'"),
            night=Night(end - timedelta(days=1), "test-run", settings),
        )
        assert built.columns == CORE_TRACK_PAIRS.column_names
        written += built.toArrow().to_pylist()
    return written


def triggers(rows):
    """By listen: the trigger track and the track."""
    found = {row["listen_id"]: (row["trigger_track_id"], row["track_id"]) for row in rows}
    assert len(found) == len(rows)
    return found


def test_a_track_finished_right_after_another_of_the_session_is_a_pair(spark, settings):
    """Ada skips aria after hymn and finishes song: aria is song's trigger, though she skipped it.

    Bo's listen lies between hers and her next session begins with polka: neither has a trigger.
    """
    listens = [
        listen("a1", "ada", "hymn", "a1", "10:00:00"),
        listen("b1", "bo", "march", "b1", "10:01:00"),
        listen("a2", "ada", "aria", "a1", "10:02:00", ratio=0.1),
        listen("a3", "ada", "song", "a1", "10:03:00"),
        listen("a4", "ada", "polka", "a4", "12:00:00"),
    ]

    [row] = run_nights(spark, settings, listens)

    assert row == {
        "listen_id": "a3",
        "user_id": "ada",
        "trigger_track_id": "aria",
        "track_id": "song",
        "listened_date": FEB_27,
        "known_from_date": FEB_27,
    }


@pytest.mark.parametrize(
    ("ratio", "is_pair"), [(0.79, False), (0.8, True), (1.0, True), (None, False)]
)
def test_four_fifths_are_finished(spark, settings, ratio, is_pair):
    """A listen without a completion_ratio may have been skipped, so it makes no pair."""
    listens = [
        listen("a1", "ada", "hymn", "a1", "10:00:00", ratio=None),
        listen("a2", "ada", "aria", "a1", "10:03:00", ratio=ratio),
        listen("b1", "bo", "hymn", "b1", "10:00:00"),
        listen("b2", "bo", "song", "b1", "10:03:00"),
    ]

    found = triggers(run_nights(spark, settings, listens))

    assert found == {"b2": ("hymn", "song")} | ({"a2": ("hymn", "aria")} if is_pair else {})


def test_the_same_track_twice_is_no_pair_and_triggers_the_next(spark, settings):
    listens = [
        listen("a1", "ada", "hymn", "a1", "10:00:00"),
        listen("a2", "ada", "hymn", "a1", "10:03:00"),
        listen("a3", "ada", "aria", "a1", "10:06:00"),
    ]

    assert triggers(run_nights(spark, settings, listens)) == {"a3": ("hymn", "aria")}


def test_a_pair_that_comes_again_is_a_further_row(spark, settings):
    """Within a session, and by another listener on another day."""
    listens = [
        listen("a1", "ada", "hymn", "a1", "10:00:00"),
        listen("a2", "ada", "aria", "a1", "10:03:00"),
        listen("a3", "ada", "hymn", "a1", "10:06:00"),
        listen("a4", "ada", "aria", "a1", "10:09:00"),
        listen("b1", "bo", "hymn", "b1", "10:00:00", day=FEB_28, known=FEB_28),
        listen("b2", "bo", "aria", "b1", "10:03:00", day=FEB_28, known=FEB_28),
    ]

    found = run_nights(spark, settings, listens)

    assert values_of(found, "listen_id", "trigger_track_id", "track_id", "listened_date") == [
        ("a2", "hymn", "aria", FEB_27),
        ("a3", "aria", "hymn", FEB_27),
        ("a4", "hymn", "aria", FEB_27),
        ("b2", "hymn", "aria", FEB_28),
    ]


def test_listens_of_one_instant_are_in_the_order_of_their_ids(spark, settings):
    listens = [
        listen("a3", "ada", "song", "a1", "10:03:00"),
        listen("a1", "ada", "hymn", "a1", "10:00:00"),
        listen("a2", "ada", "aria", "a1", "10:03:00"),
    ]

    found = triggers(run_nights(spark, settings, listens))

    assert found == {"a2": ("hymn", "aria"), "a3": ("aria", "song")}


def test_what_we_showed_or_the_player_chose_is_no_pair(spark, settings):
    """Aria was shown to ada the day before, and the player chose song: only polka is hers.

    Both still trigger what she chose next. The impression of polka became known after the listen.
    """
    listens = [
        listen("a1", "ada", "hymn", "a1", "10:00:00", day=FEB_28, known=FEB_28),
        listen("a2", "ada", "aria", "a1", "10:03:00", day=FEB_28, known=FEB_28),
        listen("a3", "ada", "polka", "a1", "10:06:00", day=FEB_28, known=FEB_28),
        listen("a4", "ada", "song", "a1", "10:09:00", day=FEB_28, known=FEB_28, organic=False),
    ]
    impressions = [
        ("ada", "aria", at(FEB_27, "10:04:00"), FEB_27),
        ("ada", "polka", at(FEB_28, "10:00:00"), FEB_29),
        ("bo", "polka", at(FEB_28, "10:00:00"), FEB_28),
    ]

    found = run_nights(spark, settings, listens, impressions=impressions)

    assert triggers(found) == {"a3": ("aria", "polka")}


LATE = [
    listen("a1", "ada", "hymn", "a1", "23:50:00"),
    listen("a4", "ada", "song", "a1", "23:56:00"),  # its trigger stays hymn
    listen("a5", "ada", "polka", "a1", "00:10:00", day=FEB_28, known=FEB_28),  # past midnight
    listen("a2", "ada", "aria", "a1", "23:52:00", known=FEB_29),  # late, between a1 and a4
    listen("a3", "ada", "march", "a1", "23:54:00", known=FEB_29),  # late, after a2
    listen("b2", "bo", "aria", "b2", "10:03:00"),  # the first of its session when it was known
    listen("b1", "bo", "hymn", "b1", "10:00:00", known=FEB_28),  # late: a session of its own
]


@pytest.mark.parametrize("slices", [ONE_NIGHT, NIGHT_BY_NIGHT])
def test_pairs_are_the_same_computed_at_once_or_night_by_night(spark, settings, slices):
    """Late listens get triggers and change no row that is written; a session crosses midnight."""
    found = run_nights(spark, settings, LATE, slices=slices)

    assert values_of(
        found, "listen_id", "trigger_track_id", "track_id", "listened_date", "known_from_date"
    ) == [
        ("a2", "hymn", "aria", FEB_27, FEB_29),
        ("a3", "aria", "march", FEB_27, FEB_29),
        ("a4", "hymn", "song", FEB_27, FEB_27),
        ("a5", "song", "polka", FEB_28, FEB_28),
    ]


def test_a_night_finds_the_trigger_a_gap_before_its_oldest_listen(spark, settings):
    """1,199.999999 s before, past midnight, known on that day: the furthest trigger there can be."""
    listens = [
        listen("a1", "ada", "hymn", "a1", "23:40:00.000001"),
        listen("a2", "ada", "aria", "a1", "00:00:00", day=FEB_28, known=FEB_28),
    ]

    found = run_nights(spark, settings, listens, slices=NIGHT_BY_NIGHT)

    assert triggers(found) == {"a2": ("hymn", "aria")}
