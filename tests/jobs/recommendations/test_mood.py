"""rec_mood: lists by cell, with the filters of rec_topk and reasons that are true."""

from __future__ import annotations

from datetime import date

import pytest

from feature_store.mood_plane import mood_words
from feature_store.settings import ListSettings, MoodSettings, Night
from feature_store.tables.core import (
    CORE_DAILY_LISTENS,
    CORE_FEEDBACK,
    CORE_LISTEN_COUNTS,
    CORE_TRACKS,
    CORE_USERS,
)
from feature_store.tables.features import FEAT_TRACK_MOOD
from feature_store.tables.graph import GRAPH_USER_LISTENED_TRACK
from feature_store.tables.recommendations import REC_MOOD
from feature_store.tables.scores import SCORE_MOOD
from jobs.recommendations import mood
from tests.jobs.core.frames import at, frame

MARCH_1, FEB_22, FEB_23 = date(2026, 3, 1), date(2026, 2, 22), date(2026, 2, 23)
TRACK = "track_id artist_id artist_name title artist_match_key title_match_key is_available"
SCORE = "user_id valence_cell arousal_cell rank track_id score model_version"
CALM, HAPPY = (4, 0), (4, 4)


def track(track_id, artist="a", *, available=True):
    return (track_id, artist, artist.upper(), track_id.title(), artist, track_id, available)


def scored(user, cell, *track_ids):
    """Candidates of a cell, best first; scores 1, 1/2, 1/3, ..."""
    return [
        (user, *cell, rank, track_id, 1 / rank, "v1")
        for rank, track_id in enumerate(track_ids, start=1)
    ]


@pytest.fixture
def lists_of(spark, settings):
    """Rows of rec_mood by (user, cell), for listeners ada and bo who heard nothing and hid nothing."""

    def build(
        tracks,
        scores,
        *,
        moods=(),
        heard=(),
        played=(),
        feedback=(),
        users=(),
        counts=(),
        length=3,
        exclude_listened_days=30,
    ):
        of_lists = settings.model_copy(
            update={
                "lists": ListSettings(
                    max_per_artist=2, exclude_listened_days=exclude_listened_days
                ),
                "mood": MoodSettings(list_length=length),
            }
        )
        everybody = users or [("ada", False), ("bo", False)]
        built = mood.build(
            frame(spark, CORE_USERS, "user_id is_opted_out", *everybody),
            frame(spark, CORE_TRACKS, TRACK, *tracks),
            frame(
                spark,
                CORE_FEEDBACK,
                "user_id track_id feedback_action given_at_utc known_from_date",
                *feedback,
            ),
            frame(
                spark, CORE_DAILY_LISTENS, "user_id track_id listened_date organic_count", *heard
            ),
            frame(spark, CORE_LISTEN_COUNTS, "user_id track_id listen_count", *counts),
            frame(spark, FEAT_TRACK_MOOD, "track_id valence_cell arousal_cell", *moods),
            frame(spark, GRAPH_USER_LISTENED_TRACK, "user_id track_id", *played),
            frame(spark, SCORE_MOOD, SCORE, *scores),
            night=Night(MARCH_1, "test-run", of_lists),
        )
        assert built.columns == REC_MOOD.column_names
        found = {}
        for row in sorted(built.toArrow().to_pylist(), key=lambda row: row["rank"]):
            key = (row["user_id"], (row["valence_cell"], row["arousal_cell"]))
            found.setdefault(key, []).append(row)
        return found

    return build


def ranked(lists):
    """By list the (rank, track) pairs."""
    return {key: [(row["rank"], row["track_id"]) for row in rows] for key, rows in lists.items()}


def test_each_cell_has_a_list_of_its_own_in_the_models_order(lists_of):
    """Lists have 3 tracks here: of ada's four candidates for one cell the last one stays out."""
    tracks = [track(name, name) for name in ("t1", "t2", "t3", "t4")]
    scores = [
        *scored("ada", CALM, "t4", "t1", "t3", "t2"),
        *scored("ada", HAPPY, "t2"),
        *scored("bo", CALM, "t1", "t2"),
    ]

    lists = lists_of(tracks, scores)

    assert ranked(lists) == {
        ("ada", CALM): [(1, "t4"), (2, "t1"), (3, "t3")],
        ("ada", HAPPY): [(1, "t2")],
        ("bo", CALM): [(1, "t1"), (2, "t2")],
    }
    third = lists["ada", CALM][2]
    assert (third["score"], third["title"], third["artist_name"]) == (0.333333, "T3", "T3")
    assert (third["model_version"], third["run_id"], third["as_of_date"]) == (
        "v1",
        "test-run",
        MARCH_1,
    )


def test_the_filters_of_rec_topk_apply_and_ranks_have_no_holes(lists_of):
    """For ada "gone" is withdrawn, "heard" of yesterday, "counted" heard at some time, "hidden" hidden.

    Of artist a three tracks remain, and two are allowed; bo, who has opted out, has no list.
    """
    names = ("gone", "heard", "counted", "hidden", "a1", "a2", "a3", "b1")
    tracks = [track(name, name[0], available=name != "gone") for name in names]

    lists = lists_of(
        tracks,
        [*scored("ada", CALM, *names), *scored("bo", CALM, "b1")],
        heard=[("ada", "heard", date(2026, 2, 28), 0)],
        counts=[("ada", "counted", 1)],
        feedback=[("ada", "hidden", "hide", at(FEB_22, "10:00:00"), FEB_22)],
        users=[("ada", False), ("bo", True)],
        length=10,
    )

    assert ranked(lists) == {("ada", CALM): [(1, "a1"), (2, "a2"), (3, "b1")]}


def test_an_artist_fills_two_places_of_each_cell(lists_of):
    """The limit holds for a list: the same artist may stand in the lists of other cells, too."""
    tracks = [track(name) for name in ("t1", "t2", "t3")]

    lists = lists_of(
        tracks, [*scored("ada", CALM, "t1", "t2", "t3"), *scored("ada", HAPPY, "t3", "t2")]
    )

    assert ranked(lists) == {
        ("ada", CALM): [(1, "t1"), (2, "t2")],
        ("ada", HAPPY): [(1, "t3"), (2, "t2")],
    }


def test_the_reason_says_how_the_track_feels_and_what_of_it_the_listener_plays(lists_of):
    """Ada chose "near" on 23 February, seven days up to 1 March; it lies in the cell of t1 and t2.

    t3 is by an artist whom she plays, t4 has nothing of that; t5 has no emotion. The list's cell is
    another one than t4's: the words are those of the track.
    """
    tracks = [track(name, name) for name in ("t1", "t2", "t4", "t5", "near")]
    moods = [("t1", 3, 1), ("t2", 3, 1), ("near", 3, 1), ("t3", 0, 4), ("t4", 2, 2)]

    lists = lists_of(
        [*tracks, track("t3", "known"), track("other", "known")],
        scored("ada", CALM, "t1", "t2", "t3", "t4", "t5"),
        moods=moods,
        heard=[("ada", "near", FEB_23, 1), ("bo", "t4", FEB_23, 1)],
        played=[("ada", "other"), ("ada", "t2"), ("bo", "t4")],
        length=10,
    )

    assert {row["track_id"]: row["reason_text"] for row in lists["ada", CALM]} == {
        "t1": "Calm and happy, near what you played in the last 7 days",
        "t2": "Calm and happy, near what you played in the last 7 days",
        "t3": "Very lively and very sad, by an artist you play",
        "t4": "Neither sad nor happy, neither calm nor lively",
        "t5": "Chosen for this mood",
    }


@pytest.mark.parametrize(
    ("day", "organic", "user"),
    [(FEB_22, 1, "ada"), (FEB_23, 0, "ada"), (FEB_23, 1, "bo")],
)
def test_what_was_not_chosen_lately_is_no_reason(lists_of, day, organic, user):
    """A listen of eight days ago, one that a recommendation started, and one of somebody else."""
    lists = lists_of(
        [track("t1", "x"), track("near", "y")],
        scored("ada", CALM, "t1"),
        moods=[("t1", 3, 2), ("near", 3, 2)],
        heard=[(user, "near", day, organic)],
    )

    assert [row["reason_text"] for row in lists["ada", CALM]] == ["Happy"]


def test_a_track_is_not_near_itself(lists_of):
    """Lists may repeat what was played: t1 alone in its cell is no reason for t1, but one for t2."""
    lists = lists_of(
        [track("t1", "x"), track("t2", "y"), track("t3", "z")],
        scored("ada", CALM, "t1", "t2", "t3"),
        moods=[("t1", 3, 2), ("t2", 3, 2), ("t3", 1, 2)],
        heard=[("ada", "t1", MARCH_1, 1)],
        exclude_listened_days=0,
    )

    assert [row["reason_text"] for row in lists["ada", CALM]] == [
        "Happy",
        "Happy, near what you played in the last 7 days",
        "Sad",
    ]


def test_the_words_of_the_25_cells_differ():
    words = {mood_words(valence, arousal) for valence in range(5) for arousal in range(5)}

    assert len(words) == 25
    assert {"very calm and sad", "lively", "very happy"} <= words
