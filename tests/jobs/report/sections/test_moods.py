"""Moods section: counts of available tracks by cell, and the lists of one sample listener."""

from __future__ import annotations

import re

import pytest

from jobs.report.collect import collect
from jobs.report.lake import open_run
from jobs.report.report import render_report
from jobs.report.sections.moods import read_moods
from tests.jobs.report import sample_run
from tests.jobs.report.sample_lake import AT_NIGHT, append_rows


def write_plane(night):
    """Tracks a and b are calm and very happy, c lies at the top left; d has no place, x is withdrawn."""
    places = [("a", 0.9, 0.2), ("b", 0.8, 0.3), ("c", 0.0, 1.0), ("x", 0.9, 0.2)]
    append_rows(
        night,
        "feat_track_mood",
        *(
            {
                "as_of_date": night.as_of,
                "track_id": track_id,
                "valence_position": valence,
                "arousal_position": arousal,
                "valence_cell": min(4, int(valence * 5)),
                "arousal_cell": min(4, int(arousal * 5)),
                "emotion_sources": "audio",
            }
            for track_id, valence, arousal in places
        ),
    )


def write_lists(night, user_id, lists):
    """Lists by cell, each the ids of its tracks."""
    append_rows(
        night,
        "rec_mood",
        *(
            {
                "as_of_date": night.as_of,
                "run_id": night.run_id,
                "user_id": user_id,
                "valence_cell": valence,
                "arousal_cell": arousal,
                "rank": rank,
                "track_id": track_id,
                "title": f"Title {track_id}",
                "artist_id": "ar1",
                "artist_name": "Ines & Co",
                "artist_match_key": "i",
                "title_match_key": "t",
                "score": 1.0,
                "model_version": "v1",
                "reason_text": f"Reason {rank} of {user_id}",
            }
            for (valence, arousal), track_ids in lists.items()
            for rank, track_id in enumerate(track_ids, start=1)
        ),
    )


@pytest.fixture
def night_with_plane(night):
    sample_run.write_all(night)
    write_plane(night)
    return night


def test_cells_count_available_tracks_from_the_top_left(night_with_plane):
    """The first cell is the most excited and saddest; calm and very happy is the second last row's end."""
    moods = read_moods(open_run(night_with_plane), [])

    assert (moods.n_tracks, moods.fullest, len(moods.cells)) == (3, 2, 25)
    assert {cell.words: cell.n_tracks for cell in moods.cells if cell.n_tracks} == {
        "very lively and very sad": 1,
        "calm and very happy": 2,
    }
    first, last = moods.cells[0], moods.cells[-1]
    assert (first.valence_cell, first.arousal_cell, first.n_tracks) == (0, 4, 1)
    assert (last.valence_cell, last.arousal_cell) == (4, 0)
    assert moods.cells[19].n_tracks == 2
    # The plane is 300 wide: (.9, .2) lies at 270 from the left and 240 from the top.
    assert [(dot.x, dot.y) for dot in moods.dots] == [
        pytest.approx((270, 240)),
        pytest.approx((240, 210)),
        pytest.approx((0, 0)),
    ]


def test_the_first_sample_listener_with_lists_is_shown(night_with_plane):
    """Ben comes after ada and before cy; his list of six shows five, and happy and lively is opened."""
    write_lists(night_with_plane, "ben", {(0, 0): ["a"], (3, 3): ["a", "b", "c", "a", "b", "c"]})
    write_lists(night_with_plane, "cy", {(1, 1): ["c"]})
    write_lists(night_with_plane, "dora", {(2, 2): ["c"]})

    moods = read_moods(open_run(night_with_plane), ["ada", "ben", "cy"])

    assert (moods.user_id, moods.n_entries) == ("ben", 9)
    shown = {
        cell.words: (cell.list_length, len(cell.entries)) for cell in moods.cells if cell.entries
    }
    assert shown == {"lively and happy": (6, 5), "very calm and very sad": (1, 1)}
    assert moods.opened.words == "lively and happy"
    assert [(entry.rank, entry.track.track_id, entry.reason) for entry in moods.opened.entries][:2] == [
        (1, "a", "Reason 1 of ben"),
        (2, "b", "Reason 2 of ben"),
    ]  # fmt: skip


def test_the_lists_of_a_listener_can_be_opened_and_played(night_with_plane):
    """Each list has a button of its own, one of which is checked; track a has an excerpt and a cover."""
    write_lists(night_with_plane, "ada", {(0, 0): ["b"], (4, 1): ["a", "b"]})

    page = render_report(collect(night_with_plane), now=AT_NIGHT)

    section = page.partition('<section id="moods">')[2].partition("</section>")[0]
    assert re.findall(r'id="(mood-\d-\d)"[^>]*?( checked)?>', section) == [
        ("mood-4-1", " checked"),
        ("mood-0-0", ""),
    ]
    assert section.count('class="mood-') >= 2
    assert "Play an excerpt of Title a" in section
    assert "Cover of Title a" in section
    assert "Reason 2 of ada" in section


def test_a_plane_without_lists_says_why(night_with_plane):
    page = render_report(collect(night_with_plane), now=AT_NIGHT)

    assert "There are no lists for moods: their training task is off" in page


def test_a_night_without_emotion_says_so(night):
    sample_run.write_all(night)

    content = collect(night)

    assert (content.moods.n_tracks, content.moods.cells, content.moods.user_id) == (0, (), None)
    assert "No track has valence and arousal." in render_report(content, now=AT_NIGHT)
