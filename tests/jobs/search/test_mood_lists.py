"""Which tracks are listed for a position, and how their reasons read."""

from __future__ import annotations

from datetime import date

import pytest

from jobs.search.listeners import open_listener
from jobs.search.mood_lists import NoMoodPlaneError, open_mood_lists
from jobs.search.mood_position import AxisPosition, MoodPosition, gentle_position
from tests.jobs.report.sample_lake import AS_OF, append_rows

TASK = "mood"
PLACES = {
    "t1": ("a", 0.65, 0.25),
    "t2": ("a", 0.65, 0.30),
    "t3": ("a", 0.65, 0.27),
    "t4": ("b", 0.69, 0.28),
    "t5": ("c", 0.61, 0.22),
    "gone": ("d", 0.65, 0.25),
}
"""Artist and position; t1 lies at the gentle position, t4 and t5 are .05 away, and t2 too."""


@pytest.fixture
def filled(night):
    tracks = [
        {
            "track_id": name, "title": f"Title {name}", "artist_id": artist, "artist_name": artist,
            "artist_match_key": artist, "title_match_key": "t", "known_from_date": AS_OF,
            "is_available": name != "gone",
        }
        for name, (artist, *_) in PLACES.items()
    ]  # fmt: skip
    moods = [
        {
            "as_of_date": AS_OF, "track_id": name, "valence_position": valence,
            "arousal_position": arousal, "valence_cell": 3, "arousal_cell": 1,
            "emotion_sources": "audio",
        }
        for name, (_, valence, arousal) in PLACES.items()
    ]  # fmt: skip
    plane = {
        "as_of_date": AS_OF, "emotion_source": "both", "dimension": "valence",
        "knots": [number / 100 for number in range(101)], "is_fitted": True, "track_count": 30,
    }  # fmt: skip
    append_rows(night, "core_tracks", *tracks)
    append_rows(night, "feat_track_mood", *moods)
    append_rows(night, "feat_mood_plane", plane)
    return night


def listed(night, listener=None, n_tracks=10, position=None):
    found = open_mood_lists(night, TASK).list_for(position or gentle_position(), listener, n_tracks)
    return found, [entry.track.track_id for entry in found.entries]


def test_the_nearest_come_first_two_of_an_artist_and_equal_ones_by_id(filled):
    """t3 is .02 away, t4 and t5 .05; t2 would be the third of its artist, and one is withdrawn."""
    found, ids = listed(filled)

    assert ids == ["t1", "t3", "t4", "t5"]
    assert [entry.rank for entry in found.entries] == [1, 2, 3, 4]
    assert found.entries[1].reason == "Calm and happy, 0.02 away on the plane"
    assert found.entries[1].valence_position == 0.65
    assert listed(filled, n_tracks=2)[1] == ["t1", "t3"]


def test_the_position_decides(filled):
    far = AxisPosition("valence", 0.0, 0.0, 0.0)
    position = MoodPosition(far, AxisPosition("arousal", 0.22, 0.2, 0.3), is_read=True)

    assert listed(filled, position=position)[1] == ["t5", "t1", "t3", "t4"]


def user(night, **changes):
    row = {"user_id": "ada", "is_opted_out": False, "is_named_to_others": True}
    append_rows(night, "core_users", {**row, "known_from_date": AS_OF, **changes})
    return open_listener(open_mood_lists(night, TASK).catalogue.view, "ada", TASK)


def test_counts_without_a_day_are_a_history(filled):
    """A list of another listener is there, so the task is on."""
    heard = {"user_id": "ada", "track_id": "t1", "listen_count": 3, "edge_weight": 1.0}
    append_rows(
        filled,
        "graph_user_listened_track",
        {**heard, "as_of_date": AS_OF, "completion_permille": 1000},
    )
    append_rows(filled, "rec_mood", recommendation(user_id="ben"))

    found, ids = listed(filled, user(filled))

    assert "rec_mood has no list of ada, who has listens without a day" in found.notes[0]
    assert ids == ["t1", "t3", "t4", "t5"]


def test_a_listener_whose_cell_is_empty_gets_the_nearest(filled):
    append_rows(filled, "rec_mood", recommendation(valence_cell=0))

    found, ids = listed(filled, user(filled))

    assert "rec_mood has lists of ada for other moods, and none for this one" in found.notes[0]
    assert ids[0] == "t1"


def test_an_opt_out_counts_from_its_day(filled):
    """Tomorrow's wish is not known tonight; today's is."""
    append_rows(filled, "rec_mood", recommendation())
    user(filled)

    tomorrow = user(filled, is_opted_out=True, known_from_date=date(2026, 3, 2))

    assert listed(filled, tomorrow)[1] == ["t9"]
    assert tomorrow.is_opted_out is False


def recommendation(**changes):
    return {
        "as_of_date": AS_OF, "run_id": "r", "user_id": "ada", "valence_cell": 3, "arousal_cell": 1,
        "rank": 1, "track_id": "t9", "title": "Nine", "artist_id": "z", "artist_name": "Zoe",
        "artist_match_key": "z", "title_match_key": "n", "score": 1.0, "reason_text": "Because",
        "model_version": "v1", **changes,
    }  # fmt: skip


def test_a_listed_track_without_a_mood_has_no_position(filled):
    append_rows(filled, "rec_mood", recommendation())

    found, ids = listed(filled, user(filled))

    assert ids == ["t9"]
    assert found.entries[0].valence_position is None
    assert found.entries[0].reason == "Because"


def test_without_a_plane_nothing_is_listed(night):
    with pytest.raises(NoMoodPlaneError, match="feat_mood_plane: no available track lies on"):
        open_mood_lists(night, TASK)
