"""What may stand in a list does not hang on which edges the graph's settings leave out."""

from __future__ import annotations

from datetime import date

from feature_store.tables.core import CORE_DAILY_LISTENS, CORE_LISTEN_COUNTS
from feature_store.tables.graph import GRAPH_USER_FOLLOWS_USER, GRAPH_USER_LISTENED_TRACK
from feature_store.tables.scores import SCORE_CANDIDATES
from jobs.recommendations.steps.candidates import from_followed
from jobs.recommendations.steps.filters import recently_heard
from tests.jobs.core.frames import frame, rows_of


def test_what_was_heard_in_the_last_thirty_days_or_only_counted_is_left_out(spark, night):
    """30 days end with 1 March 2026: 31 January is the first of them. One listen is enough."""
    heard = recently_heard(
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

    assert rows_of(heard, "user_id track_id") == [
        ("ada", "recent"),
        ("bo", "counted"),
        ("bo", "today"),
    ]


def test_the_followed_speak_only_for_people_whom_no_model_scored(spark):
    """Ada was scored, though none of her listens is an edge; cy was not: bo's .5 + dee's .25."""
    found = from_followed(
        frame(spark, SCORE_CANDIDATES, "user_id track_id", ("ada", "hymn"), ("ada", "aria")),
        frame(
            spark,
            GRAPH_USER_LISTENED_TRACK,
            "user_id track_id edge_weight",
            ("bo", "hymn", 0.5),
            ("dee", "hymn", 0.25),
        ),
        frame(
            spark,
            GRAPH_USER_FOLLOWS_USER,
            "user_id followed_user_id",
            ("ada", "bo"),
            ("cy", "bo"),
            ("cy", "dee"),
        ),
    )

    assert rows_of(found, "user_id track_id score tier") == [("cy", "hymn", 0.75, "social")]
