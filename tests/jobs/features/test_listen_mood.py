"""feat_listen_mood: the mean position of the other tracks that a listener chose in the session."""

from __future__ import annotations

import pytest

from feature_store.settings import MoodSettings, Night
from feature_store.tables.core import CORE_IMPRESSIONS, CORE_LISTENS
from feature_store.tables.features import FEAT_LISTEN_MOOD, FEAT_TRACK_MOOD
from jobs.features import listen_mood
from tests.jobs.core.frames import FEB_28, FEB_29, MAR_1, at, frame, values_of

LISTEN = "listen_id user_id track_id listened_at_utc completion_ratio is_organic session_id known_from_date"
IMPRESSION = "user_id track_id shown_at_utc known_from_date"
MOODS = {"hymn": (0.25, 0.0), "aria": (0.5, 0.5), "song": (1.0, 0.25), "dirge": (0.0, 0.125)}
"""Positions (valence, arousal) by track; polka has none."""
CONTEXT = ("user_id", "track_id", "context_valence", "context_arousal", "context_track_count")


def listen(user, track, session, clock, *, day=MAR_1, ratio=1.0, organic=True):
    listen_id = f"{user} {track} {day} {clock}"
    return (listen_id, user, track, at(day, clock), ratio, organic, session, day)


def contexts(spark, settings, *listens, impressions=(), as_of=MAR_1):
    """Rows of feat_listen_mood as the night of as_of writes them."""
    built = listen_mood.build(
        frame(spark, CORE_LISTENS, LISTEN, *listens),
        frame(spark, CORE_IMPRESSIONS, IMPRESSION, *impressions),
        frame(
            spark,
            FEAT_TRACK_MOOD,
            "track_id valence_position arousal_position",
            *[(track_id, *position) for track_id, position in MOODS.items()],
        ),
        night=Night(as_of, "test-run", settings),
    )
    assert built.columns == FEAT_LISTEN_MOOD.column_names
    return built.toArrow().to_pylist()


def test_the_context_is_the_mean_of_the_other_tracks_of_the_session(spark, settings):
    """Ada plays hymn (twice), aria and song: hymn's context is the mean of aria and song, each once.

    Valence of hymn (.5 + 1) / 2, aria (.25 + 1) / 2, song (.25 + .5) / 2; arousal .375, .125, .25.
    Bo, who plays two of them, and Ada's other session count for themselves.
    """
    rows = contexts(
        spark,
        settings,
        listen("ada", "hymn", "s1", "10:00:00"),
        listen("ada", "hymn", "s1", "10:03:00"),
        listen("ada", "aria", "s1", "10:06:00"),
        listen("ada", "song", "s1", "10:09:00"),
        listen("ada", "dirge", "s2", "20:00:00"),
        listen("bo", "hymn", "s3", "10:00:00"),
        listen("bo", "dirge", "s3", "10:03:00"),
    )

    assert values_of(rows, *CONTEXT) == [
        ("ada", "aria", 0.625, 0.125, 2),
        ("ada", "hymn", 0.75, 0.375, 2),
        ("ada", "song", 0.375, 0.25, 2),
        ("bo", "dirge", 0.25, 0.0, 1),
        ("bo", "hymn", 0.0, 0.125, 1),
    ]
    assert values_of(rows, "user_id", "track_id", "listen_count", "organic_count") == [
        ("ada", "aria", 1, 1),
        ("ada", "hymn", 2, 2),
        ("ada", "song", 1, 1),
        ("bo", "dirge", 1, 1),
        ("bo", "hymn", 1, 1),
    ]
    assert {(row["as_of_date"], row["listened_date"]) for row in rows} == {(MAR_1, MAR_1)}


def test_a_track_without_company_that_has_a_mood_has_no_row(spark, settings):
    """Polka has no mood: hymn beside it has no context, and polka has hymn's."""
    rows = contexts(
        spark,
        settings,
        listen("ada", "hymn", "s1", "10:00:00"),
        listen("ada", "polka", "s1", "10:03:00"),
        listen("bo", "song", "s2", "10:00:00"),
        listen("bo", "song", "s2", "10:05:00"),
    )

    assert values_of(rows, *CONTEXT) == [("ada", "polka", 0.25, 0.0, 1)]


@pytest.mark.parametrize(
    ("ratio", "organic", "tells"),
    [(0.8, True, True), (0.79, True, False), (None, True, True), (1.0, False, False)],
)
def test_only_own_choices_that_were_not_skipped_tell_the_mood(
    spark, settings, ratio, organic, tells
):
    """Song beside hymn tells hymn's mood if chosen and not skipped; it is itself a listen in any case."""
    rows = contexts(
        spark,
        settings,
        listen("ada", "hymn", "s1", "10:00:00"),
        listen("ada", "song", "s1", "10:03:00", ratio=ratio, organic=organic),
    )

    expected = [("ada", "song", 0.25, 0.0, 1)]
    assert values_of(rows, *CONTEXT) == [("ada", "hymn", 1.0, 0.25, 1)] * tells + expected
    assert values_of(rows, "track_id", "organic_count")[-1] == ("song", int(organic))


def test_a_track_that_was_shown_before_tells_no_mood(spark, settings):
    """Song was recommended an hour before: an impression explains its listen, as everywhere."""
    rows = contexts(
        spark,
        settings,
        listen("ada", "hymn", "s1", "10:00:00"),
        listen("ada", "song", "s1", "10:03:00"),
        impressions=[("ada", "song", at(MAR_1, "09:00:00"), MAR_1)],
    )

    assert values_of(rows, *CONTEXT) == [("ada", "song", 0.25, 0.0, 1)]


def test_two_sessions_of_a_day_count_each(spark, settings):
    """Hymn is in both sessions: with aria in one, with aria and dirge in the other; aria counts twice.

    Valence (.5 + .5 + 0) / 3, arousal (.5 + .5 + .125) / 3.
    """
    rows = contexts(
        spark,
        settings,
        listen("ada", "hymn", "s1", "10:00:00"),
        listen("ada", "aria", "s1", "10:03:00"),
        listen("ada", "hymn", "s2", "20:00:00"),
        listen("ada", "aria", "s2", "20:03:00"),
        listen("ada", "dirge", "s2", "20:06:00"),
    )

    [hymn] = [row for row in rows if row["track_id"] == "hymn"]
    assert (hymn["context_valence"], hymn["context_arousal"]) == (0.333333, 0.375)
    assert (hymn["context_track_count"], hymn["listen_count"]) == (3, 2)


def test_a_row_says_nothing_about_a_later_day(spark, settings):
    """A session crosses midnight of a leap day: what is played on 1 March is no context of 29 February."""
    rows = contexts(
        spark,
        settings,
        listen("ada", "hymn", "s1", "23:50:00", day=FEB_29),
        listen("ada", "aria", "s1", "23:55:00", day=FEB_29),
        listen("ada", "song", "s1", "00:02:00"),
    )

    assert values_of(rows, "listened_date", *CONTEXT[1:]) == [
        (FEB_29, "aria", 0.25, 0.0, 1),
        (FEB_29, "hymn", 0.5, 0.5, 1),
    ]


@pytest.mark.parametrize(("days", "expected"), [(2, {FEB_29, MAR_1}), (1, {MAR_1}), (0, set())])
def test_only_the_last_days_have_rows(spark, settings, days, expected):
    """Two tracks on each of three days; mood.context_days counts the night's own day."""
    of_days = settings.model_copy(update={"mood": MoodSettings(context_days=days)})
    listens = [
        listen("ada", track, f"s {day}", clock, day=day)
        for day in (FEB_28, FEB_29, MAR_1)
        for track, clock in (("hymn", "10:00:00"), ("aria", "10:03:00"))
    ]

    rows = contexts(spark, of_days, *listens)

    assert {row["listened_date"] for row in rows} == expected
    assert len(rows) == 2 * days
