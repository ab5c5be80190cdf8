"""The interim estimators, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from jobs.encoders import emotion, musicnn


def heard(loudness_db=-20.0, tempo_bpm=110.0, onset_rate_hz=4.0, **tags):
    """One recording whose cues are all at their centres unless named; tags by name."""
    probabilities = np.zeros((1, 50))
    for tag, probability in tags.items():
        probabilities[0, musicnn.TAGS.index(tag)] = probability
    found = emotion.as_heard(
        np.array([loudness_db]), np.array([tempo_bpm]), np.array([onset_rate_hz]), probabilities
    )
    return found.valence[0], found.arousal[0]


def test_the_centre_of_all_cues_is_neutral():
    assert heard() == (0.0, 0.0)


@pytest.mark.parametrize(
    ("cue", "valence", "arousal"),
    [
        ({"loudness_db": -15.0}, 0.0, 0.175),  # half a spread: .35 / 2
        ({"tempo_bpm": 135.0}, 0.2, 0.1),  # half a spread: .4 / 2 and .2 / 2
        ({"onset_rate_hz": 1.0}, -0.2, -0.25),  # a spread below
        ({"pop": 0.5}, 0.2, 0.0),  # .4 x .5
        ({"quiet": 0.5}, -0.2, -0.1),  # sad and calm: .4 x .5 and .2 x .5
        ({"metal": 0.5}, 0.0, 0.1),  # exciting, neither happy nor sad
    ],
)
def test_each_cue_moves_its_own_axes(cue, valence, arousal):
    assert heard(**cue) == pytest.approx((valence, arousal))


def test_extremes_stay_inside_the_plane():
    """Weights sum to 1 on each axis, so all cues at their ends reach exactly 1."""
    assert heard(0.0, 220.0, 12.0, dance=1.0, fast=1.0) == pytest.approx((1.0, 1.0))
    assert heard(-90.0, 40.0, 0.0, slow=1.0, quiet=1.0) == pytest.approx((-1.0, -1.0))


def test_a_recording_without_a_pulse_leans_to_neither_side():
    assert heard(tempo_bpm=np.nan) == (0.0, 0.0)


def test_lyrics_take_vader_s_compound_and_load():
    """(0.365 - 0.165) / 0.4 = 0.5; a load of nothing is (0 - 0.165) / 0.4 = -0.4125."""
    found = emotion.as_read(np.array([-0.6, 0.25]), np.array([0.365, 0.0]))
    np.testing.assert_allclose(found.valence, [-0.6, 0.25])
    np.testing.assert_allclose(found.arousal, [0.5, -0.4125])


def test_every_named_tag_is_one_of_musicnn_s():
    named = {*emotion.EXCITING_TAGS, *emotion.CALM_TAGS, *emotion.HAPPY_TAGS, *emotion.SAD_TAGS}
    assert named <= set(musicnn.TAGS)
