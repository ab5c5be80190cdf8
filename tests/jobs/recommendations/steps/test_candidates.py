"""Candidates from followed users, for users without model scores."""

from __future__ import annotations

from feature_store.tables.graph import GRAPH_USER_FOLLOWS_USER, GRAPH_USER_LISTENED_TRACK
from feature_store.tables.scores import SCORE_CANDIDATES
from jobs.recommendations.steps.candidates import from_followed
from tests.jobs.core.frames import frame, rows_of


def test_followed_users_give_candidates_only_to_users_without_scores(spark):
    """Ada has scores, though no edge; cy has none and gets bo's .5 plus dee's .25."""
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
