"""The interim estimators, by hand."""

from __future__ import annotations

import pytest
from pyspark.sql import functions as F

from jobs.encoders import musicnn
from jobs.features import emotion

CENTRE = {"loudness_db": -20.0, "tempo_bpm": 110.0, "onset_rate_hz": 4.0}
SCHEMA = "loudness_db double, tempo_bpm double, onset_rate_hz double, tags array<float>"


@pytest.fixture(scope="session")
def heard(spark):
    """Valence and arousal of one recording whose cues are at their centres unless named; tags by name."""

    def estimate(**cues):
        tags = [cues.pop(tag, 0.0) for tag in musicnn.TAGS]
        rows = spark.createDataFrame([(*(CENTRE | cues).values(), tags)], SCHEMA)
        found = emotion.as_heard(*(F.col(name) for name in rows.columns))
        return tuple(rows.select(found.valence, found.arousal).first())

    return estimate


def test_the_centre_of_all_cues_is_neutral(heard):
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
def test_each_cue_moves_its_own_axes(heard, cue, valence, arousal):
    assert heard(**cue) == pytest.approx((valence, arousal))


def test_extremes_stay_inside_the_plane(heard):
    """Weights sum to 1 on each axis, so all cues at their ends reach exactly 1."""
    high = {"loudness_db": 0.0, "tempo_bpm": 220.0, "onset_rate_hz": 12.0}
    low = {"loudness_db": -90.0, "tempo_bpm": 40.0, "onset_rate_hz": 0.0}
    assert heard(**high, dance=1.0, fast=1.0) == pytest.approx((1.0, 1.0))
    assert heard(**low, slow=1.0, quiet=1.0) == pytest.approx((-1.0, -1.0))


def test_a_recording_without_a_pulse_leans_to_neither_side(heard):
    assert heard(tempo_bpm=None) == (0.0, 0.0)


def test_lyrics_take_vader_s_compound_and_load(spark):
    """(0.365 - 0.165) / 0.4 = 0.5; a load of nothing is (0 - 0.165) / 0.4 = -0.4125."""
    rows = spark.createDataFrame([(-0.6, 0.365), (0.25, 0.0)], "compound double, load double")
    found = emotion.as_read(F.col("compound"), F.col("load"))
    estimates = [tuple(row) for row in rows.select(found.valence, found.arousal).collect()]
    assert estimates == [pytest.approx((-0.6, 0.5)), pytest.approx((0.25, -0.4125))]


def test_every_named_tag_is_one_of_musicnn_s():
    named = {*emotion.EXCITING_TAGS, *emotion.CALM_TAGS, *emotion.HAPPY_TAGS, *emotion.SAD_TAGS}
    assert named <= set(musicnn.TAGS)
