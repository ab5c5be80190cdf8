"""Gates count lists against what is possible in the world at hand."""

from __future__ import annotations

import pytest

from feature_store.setting_groups import ListSettings
from feature_store.tables.core import CORE_FEEDBACK, CORE_TRACKS
from feature_store.tables.graph import GRAPH_USER_LISTENED_TRACK
from feature_store.tables.recommendations import REC_TOPK
from jobs.publishing.population_rules import list_metrics
from jobs.publishing.possible_lists import possible_lengths
from tests.jobs.core.frames import FEB_28, at, frame, rows_of

SETTINGS = ListSettings(length=4, max_per_artist=2)
TRACKS = [("a1", "a", True), ("a2", "a", True), ("a3", "a", True), ("b1", "b", True), ("b2", "b", False), ("c1", "c", True), ("new", "d", True)]  # fmt: skip
LISTENED = ["a1", "a2", "a3", "b1", "b2", "c1"]


@pytest.fixture(scope="module")
def world(spark):
    """Two of a, b1 and c1 make four; b2 is gone, and nobody has heard new."""
    return {
        "tracks": frame(spark, CORE_TRACKS, "track_id artist_id is_available", *TRACKS),
        "listened": frame(spark, GRAPH_USER_LISTENED_TRACK, "user_id track_id", *[("x", one) for one in LISTENED]),
        "feedback": frame(spark, CORE_FEEDBACK, "user_id track_id feedback_action given_at_utc known_from_date", ("hides", "c1", "hide", at(FEB_28, "00:00:00"), FEB_28)),
    }  # fmt: skip


def test_a_list_can_hold_what_is_neither_hidden_nor_heard_lately(spark, world):
    """Of a, one heard track changes nothing: two others are left; with two heard, one is."""
    users = ("all", "hides", "heard_one", "heard_two", "heard_all")
    heard = [
        ("heard_one", "a1"),
        ("heard_two", "a1"),
        ("heard_two", "a2"),
        *[("heard_all", one) for one in LISTENED],
    ]
    eligible = spark.createDataFrame([(user,) for user in users], "user_id string")
    recent = spark.createDataFrame([*heard, heard[0]], "user_id string, track_id string")

    found = possible_lengths(eligible, recent=recent, settings=SETTINGS, **world)

    assert rows_of(found, "user_id possible_length") == [
        ("all", 4), ("heard_all", 0), ("heard_one", 4), ("heard_two", 3), ("hides", 3),
    ]  # fmt: skip


def test_lists_are_full_when_they_are_as_long_as_they_can_be(spark, night, world):
    """Old has heard something and got a popular row; new never did, so hers can only be popular."""
    possible = spark.createDataFrame(
        [("old", 2), ("new", 1), ("short", 3), ("none", 0)], "user_id string, possible_length long"
    )
    listened = spark.createDataFrame([("old", "a1")], "user_id string, track_id string")
    rows = [
        ("old", "a1", "personal"),
        ("old", "b1", "popular"),
        ("new", "a1", "popular"),
        ("short", "a1", "popular"),
    ]
    lists = frame(spark, REC_TOPK, "user_id track_id tier", *rows)

    values = {
        one.rule: one.value
        for one in list_metrics(lists, possible, listened, world["tracks"], night)
    }

    assert values == {
        "full_list_ratio": pytest.approx(2 / 3), "popular_tier_ratio": 0.5,
        "catalogue_coverage_ratio": pytest.approx(2 / 6),
    }  # fmt: skip


def test_a_world_in_which_nobody_can_have_a_list_breaks_no_gate(spark, night, world):
    nobody = spark.createDataFrame([], "user_id string, possible_length long")
    nothing = frame(spark, REC_TOPK, "user_id track_id tier")
    unheard = spark.createDataFrame([], "user_id string, track_id string")

    values = [one.value for one in list_metrics(nothing, nobody, unheard, world["tracks"], night)]

    assert values == [1, 0, 1]
