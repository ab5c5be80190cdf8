"""Reasons: only what is true of both tracks, or of a track and a sentence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobs.search.catalogue import open_catalogue
from jobs.search.reasons import Traits, read_traits, reasons, reasons_of_sentence
from tests.jobs.report import sample_lake
from tests.jobs.report.sample_lake import AS_OF, append_rows

QUERY = Traits(
    artist_id="a1",
    artist_name="Ines",
    album_id="m1",
    album_title="Tides",
    audio_hash="h1",
    tags=("jazz", "slow", "piano"),
    tempo_bpm=100.0,
    mood={"audio": (0.5, -0.2), "lyrics": (-0.9, 0.9)},
)


def test_two_tracks_with_everything_in_common():
    found = replace(QUERY, tags=("slow", "jazz", "night"), mood={"audio": (0.42, -0.1)})

    assert reasons(QUERY, found) == [
        "same recording",
        "same artist: Ines",
        "same album: Tides",
        "tags jazz, slow",
        "tempo near: 100 and 100 bpm",
        "mood near by sound: valence +0.50 and +0.42, arousal -0.20 and -0.10",
    ]


def test_nothing_that_is_unknown_of_both_is_in_common():
    assert reasons(Traits(), Traits()) == []


@pytest.mark.parametrize(
    ("tempo_bpm", "is_near"), [(104.0, True), (96.2, True), (104.1, False), (50.0, False)]
)
def test_tempi_are_near_within_four_percent(tempo_bpm, is_near):
    """100 / 96.2 = 1.0395; half the tempo is another one."""
    found = reasons(Traits(tempo_bpm=100.0), Traits(tempo_bpm=tempo_bpm))

    assert bool(found) == is_near


def test_moods_are_near_in_both_directions_and_by_one_source():
    """Valence is near, arousal is not; then one track has only a mood by sound, the other by lyrics."""
    assert reasons(Traits(mood={"audio": (0.5, 0.0)}), Traits(mood={"audio": (0.5, 0.2)})) == []
    assert reasons(Traits(mood={"audio": (0.5, 0.0)}), Traits(mood={"lyrics": (0.5, 0.0)})) == []
    [reason] = reasons(Traits(mood={"lyrics": (0.5, 0.0)}), Traits(mood={"lyrics": (0.5, 0.0)}))
    assert reason.startswith("mood near by lyrics")


@pytest.mark.parametrize(
    ("sentence", "named"),
    [
        ("slow sad PIANO", ["tags slow, piano"]),
        ("hard rock, please", ["tag hard rock"]),
        ("rock hard", []),
        ("slowly", []),
        ("悲しい曲", []),
    ],
)
def test_a_sentence_names_tags_word_for_word(sentence, named):
    found = Traits(tags=("slow", "piano", "hard rock"))

    assert reasons_of_sentence(sentence, found) == named


def test_traits_come_from_the_night_and_its_encoder(night):
    """Track a has a tempo of 120; of c another encoder has one. More givers put a tag first."""
    sample_lake.write_catalogue(night)
    day = {"as_of_date": AS_OF, "track_id": "a"}
    append_rows(night, "graph_track_has_tag", {**day, "tag": "zydeco", "tagger_count": 7})
    mood = {
        "emotion_source": "audio",
        "valence": 0.5,
        "arousal": -0.25,
        "valence_sd": 0.5,
        "arousal_sd": 0.5,
    }
    append_rows(night, "feat_track_emotion", {**day, **mood})

    found = read_traits(open_catalogue(night), ["a", "c", "gone"])

    assert found.keys() == {"a", "c"}
    assert found["a"].tags == ("zydeco", "rock")
    assert found["a"].tempo_bpm == 120.0
    assert found["a"].mood == {"audio": (0.5, -0.25)}
    assert (found["c"].tempo_bpm, found["c"].tags, found["c"].mood) == (None, (), {})
