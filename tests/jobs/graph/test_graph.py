"""graph_: nodes with indices, and edges whose weights are worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from math import log

import pytest

from feature_store.setting_groups import GraphSettings
from feature_store.tables.core import (
    CORE_DAILY_LISTENS,
    CORE_FEEDBACK,
    CORE_FOLLOWS,
    CORE_LISTEN_COUNTS,
    CORE_TAGS,
    CORE_TRACKS,
    CORE_USERS,
)
from jobs.graph import (
    nodes,
    track_by_artist,
    track_has_tag,
    track_on_album,
    user_follows_user,
    user_liked_track,
    user_listened_track,
)
from tests.jobs.core.frames import FEB_27, FEB_28, FEB_29, MAR_1, at, frame, rows_of


@pytest.fixture
def leap_night(night):
    """The night of 29 February 2024."""
    return replace(night, as_of=FEB_29)


def with_rules(night, **rules):
    """The night under other settings of the graph."""
    return replace(
        night, settings=night.settings.model_copy(update={"graph": GraphSettings(**rules)})
    )


def test_every_end_of_an_edge_is_a_node_with_its_index(spark, leap_night):
    """Known earlier, hymn comes before aria; a single is on no album.

    A withdrawn track, and an artist and an album whose track moved to another, stay.
    """
    found = nodes.build(
        frame(spark, CORE_USERS, "user_id known_from_date", ("bo", FEB_27), ("ada", FEB_28)),
        frame(
            spark,
            CORE_TRACKS,
            "track_id artist_id album_id is_available known_from_date",
            ("hymn", "choir", "psalms", True, FEB_27),
            ("hymn", "organ", "masses", False, FEB_29),
            ("aria", "diva", None, True, FEB_28),
        ),
        frame(spark, CORE_TAGS, "tag known_from_date", ("slow", FEB_28), ("slow", FEB_27)),
        night=leap_night,
    )

    assert rows_of(found, "as_of_date node_kind node_id node_index") == [
        (FEB_29, "album", "masses", 2),
        (FEB_29, "album", "psalms", 1),
        (FEB_29, "artist", "choir", 1),
        (FEB_29, "artist", "diva", 2),
        (FEB_29, "artist", "organ", 3),
        (FEB_29, "tag", "slow", 1),
        (FEB_29, "track", "aria", 2),
        (FEB_29, "track", "hymn", 1),
        (FEB_29, "user", "ada", 2),
        (FEB_29, "user", "bo", 1),
    ]


def test_listen_edges_have_the_weight_of_the_contract(spark, leap_night):
    """60 days before 29 February 2024 is 31 December 2023: half the weight. Two rows add up.

    ada hymn: 2 + 1 listens, 2,400 of 3,000 thousandths, last on the 31st: ln 4 x .8 x .5.
    ada aria: 3 counted and 1 timed (half heard) today: ln 5 x 3,500/4,000.
    bo hymn: 7 counted: ln 8. The listen of 1 March is not seen yet.
    """
    found = user_listened_track.build(
        frame(
            spark,
            CORE_DAILY_LISTENS,
            "user_id track_id listened_date listen_count completion_permille",
            ("ada", "hymn", date(2023, 12, 30), 2, 1900),
            ("ada", "hymn", date(2023, 12, 31), 1, 500),
            ("ada", "aria", FEB_29, 1, 500),
            ("ada", "aria", MAR_1, 1, 1000),
        ),
        frame(
            spark,
            CORE_LISTEN_COUNTS,
            "user_id track_id listen_count",
            ("ada", "aria", 3),
            ("bo", "hymn", 7),
        ),
        night=leap_night,
    )

    shown = "user_id track_id listen_count completion_permille last_listened_date edge_weight"
    assert rows_of(found, shown) == [
        ("ada", "aria", 4, 3500, FEB_29, round(log(5) * 0.875, 6)),
        ("ada", "hymn", 3, 2400, date(2023, 12, 31), round(log(4) * 0.8 * 0.5, 6)),
        ("bo", "hymn", 7, 7000, None, round(log(8), 6)),
    ]


def test_organic_only_leaves_out_listens_that_a_recommendation_started(spark, leap_night):
    """Of ada and hymn 2 of 3 are organic: 2 listens with 2,000 x 2 / 3 permille; aria has no organic listen."""
    found = user_listened_track.build(
        frame(
            spark,
            CORE_DAILY_LISTENS,
            "user_id track_id listened_date listen_count completion_permille organic_count",
            ("ada", "hymn", FEB_29, 3, 2000, 2),
            ("ada", "aria", FEB_29, 4, 4000, 0),
        ),
        frame(spark, CORE_LISTEN_COUNTS, "user_id track_id listen_count", ("bo", "hymn", 7)),
        night=with_rules(leap_night, organic_only=True),
    )

    assert rows_of(found, "user_id track_id listen_count completion_permille") == [
        ("ada", "hymn", 2, 1333),
        ("bo", "hymn", 7, 7000),
    ]


def test_the_window_and_the_minimum_count_leave_out_edges(spark, leap_night):
    """Two days end with the 29th, so the 27th is out; two listens are needed.

    ada hymn: 1 + 1 in the window, 5 before it. ada aria: 1. bo hymn: 2 counted, which no window
    leaves out. bo aria: 1 in the window and 1 counted.
    """
    found = user_listened_track.build(
        frame(
            spark,
            CORE_DAILY_LISTENS,
            "user_id track_id listened_date listen_count completion_permille",
            ("ada", "hymn", FEB_27, 5, 5000),
            ("ada", "hymn", FEB_28, 1, 700),
            ("ada", "hymn", FEB_29, 1, 300),
            ("ada", "aria", FEB_29, 1, 1000),
            ("bo", "aria", FEB_28, 1, 1000),
        ),
        frame(
            spark,
            CORE_LISTEN_COUNTS,
            "user_id track_id listen_count",
            ("bo", "hymn", 2),
            ("bo", "aria", 1),
        ),
        night=with_rules(leap_night, listened_window_days=2, min_listen_count=2),
    )

    assert rows_of(found, "user_id track_id listen_count completion_permille") == [
        ("ada", "hymn", 2, 1000),
        ("bo", "aria", 2, 2000),
        ("bo", "hymn", 2, 2000),
    ]


def test_a_like_is_an_edge_until_an_unlike(spark, leap_night):
    """Only the last of like and unlike counts, whenever it arrived; hide is another action.

    bo took his back and pressed again; cy took hers back; dee's is of a day not seen yet. Of eve's
    two at the same instant the like counts.
    """
    pressed = "user_id track_id feedback_action given_at_utc known_from_date"
    found = user_liked_track.build(
        frame(
            spark,
            CORE_FEEDBACK,
            pressed,
            ("ada", "hymn", "like", at(FEB_27, "23:59:59"), FEB_28),
            ("ada", "hymn", "hide", at(FEB_29, "08:00:00"), FEB_29),
            ("ada", "aria", "hide", at(FEB_28, "08:00:00"), FEB_28),
            ("bo", "hymn", "like", at(FEB_27, "08:00:00"), FEB_27),
            ("bo", "hymn", "unlike", at(FEB_28, "08:00:00"), FEB_28),
            ("bo", "hymn", "like", at(FEB_29, "08:00:00"), FEB_29),
            ("cy", "aria", "like", at(FEB_27, "08:00:00"), FEB_29),
            ("cy", "aria", "unlike", at(FEB_28, "08:00:00"), FEB_28),
            ("dee", "aria", "like", at(MAR_1, "00:00:00"), FEB_29),
            ("eve", "aria", "unlike", at(FEB_28, "08:00:00"), FEB_28),
            ("eve", "aria", "like", at(FEB_28, "08:00:00"), FEB_29),
        ),
        night=leap_night,
    )

    assert rows_of(found, "as_of_date user_id track_id liked_date") == [
        (FEB_29, "ada", "hymn", FEB_27),
        (FEB_29, "bo", "hymn", FEB_29),
        (FEB_29, "eve", "aria", FEB_28),
    ]


def test_an_active_follow_between_two_known_listeners_is_an_edge(spark, leap_night):
    """One has ended, two name an unknown listener on one side, one has no day."""
    found = user_follows_user.build(
        frame(
            spark,
            CORE_FOLLOWS,
            "user_id followed_user_id followed_from_date is_active",
            ("ada", "bo", FEB_27, True),
            ("bo", "ada", FEB_28, False),
            ("cy", "ada", None, True),
            ("erased", "ada", None, True),
            ("ada", "erased", None, True),
        ),
        frame(spark, CORE_USERS, "user_id", ("ada",), ("bo",), ("cy",)),
        night=leap_night,
    )

    assert rows_of(found, "as_of_date user_id followed_user_id followed_from_date") == [
        (FEB_29, "ada", "bo", FEB_27),
        (FEB_29, "cy", "ada", None),
    ]


def test_a_withdrawn_track_stays_on_its_album_and_a_single_has_none(spark, leap_night):
    tracks = frame(
        spark,
        CORE_TRACKS,
        "track_id album_id is_available",
        ("hymn", "psalms", False),
        ("aria", None, True),
    )

    found = track_on_album.build(tracks, night=leap_night)

    assert rows_of(found, "as_of_date track_id album_id") == [(FEB_29, "hymn", "psalms")]


def test_a_withdrawn_track_stays_with_its_artist(spark, leap_night):
    tracks = frame(
        spark,
        CORE_TRACKS,
        "track_id artist_id is_available",
        ("hymn", "choir", False),
        ("aria", "diva", True),
    )

    found = track_by_artist.build(tracks, night=leap_night)

    assert rows_of(found, "as_of_date track_id artist_id") == [
        (FEB_29, "aria", "diva"),
        (FEB_29, "hymn", "choir"),
    ]


@pytest.mark.parametrize(
    ("least", "edges"),
    [(1, [("hymn", "old", 1), ("hymn", "slow", 3)]), (3, [("hymn", "slow", 3)]), (4, [])],
)
def test_a_tag_edge_counts_its_taggers_and_needs_a_catalogue_track(spark, leap_night, least, edges):
    """Two listeners and the catalogue gave slow; the catalogue has no track `never`."""
    found = track_has_tag.build(
        frame(
            spark,
            CORE_TAGS,
            "tag_event_id track_id tag user_id",
            ("1", "hymn", "slow", "ada"),
            ("2", "hymn", "slow", "bo"),
            ("3", "hymn", "slow", None),
            ("4", "hymn", "old", "ada"),
            ("5", "never", "slow", "ada"),
        ),
        frame(spark, CORE_TRACKS, "track_id", ("hymn",)),
        night=with_rules(leap_night, min_tagger_count=least),
    )

    assert rows_of(found, "track_id tag tagger_count") == edges
