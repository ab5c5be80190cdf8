"""The interim estimators, by hand."""

from __future__ import annotations

import pytest
from pyspark.sql import functions as F

from jobs.encoders.audio.musicnn import encoder as musicnn
from jobs.features.steps import emotion

CENTRE = {"loudness_lufs": -17.0, "tempo_bpm": 110.0, "onset_rate_hz": 4.0}
SCHEMA = "loudness_lufs double, tempo_bpm double, onset_rate_hz double, tags array<float>"


LOUD_FAST_DENSE = {"loudness_lufs": 0.0, "tempo_bpm": 220.0, "onset_rate_hz": 12.0}
QUIET_SLOW_SPARSE = {"loudness_lufs": -60.0, "tempo_bpm": 40.0, "onset_rate_hz": 0.0}
NO_TAGS = {"has_tags": False}

# What a recording has besides cues at their centres; its valence; its arousal.
CASES = {
    "neutral at the centre of all cues": ({}, 0.0, 0.0),
    "loudness alone tells nothing where there are tags": ({"loudness_lufs": -12.0}, 0.0, 0.0),
    "half a spread faster, .4 / 2 and .05 / 2": ({"tempo_bpm": 135.0}, 0.2, 0.025),
    "a spread less dense": ({"onset_rate_hz": 1.0}, -0.2, -0.15),
    "happy, .4 x .5": ({"pop": 0.5}, 0.2, 0.0),
    "sad and calm, .4 x .5 and .8 x .5": ({"quiet": 0.5}, -0.2, -0.4),
    "exciting, neither happy nor sad, .8 x .5": ({"metal": 0.5}, 0.0, 0.4),
    "no pulse leans to neither side": ({"tempo_bpm": None}, 0.0, 0.0),
    # The weights of an axis sum to 1, so all cues at their ends reach exactly 1.
    "the upper end": ({**LOUD_FAST_DENSE, "dance": 1.0, "fast": 1.0}, 1.0, 1.0),
    "the lower end": ({**QUIET_SLOW_SPARSE, "slow": 1.0, "quiet": 1.0}, -1.0, -1.0),
    # An encoder that knows no tags: the other cues share the weight, .6 of valence and .8 of arousal.
    "half a spread louder without tags, .35 / .8 / 2": (NO_TAGS | {"loudness_lufs": -12.0}, 0.0, 0.21875),
    "below the gate of loudness is quietest, .35 / .8": (NO_TAGS | {"loudness_lufs": None}, 0.0, -0.4375),
    "half a spread faster without tags, .4 / .6 / 2 and .2 / .8 / 2": (NO_TAGS | {"tempo_bpm": 135.0}, 1 / 3, 0.125),
    "the upper end without tags": (NO_TAGS | LOUD_FAST_DENSE, 1.0, 1.0),
}  # fmt: skip


@pytest.fixture(scope="session")
def estimates(spark):
    """Valence and arousal of each case, by its name; one job for all."""
    rows = []
    for name, (cues, _, _) in CASES.items():
        tags = [cues.get(tag, 0.0) for tag in musicnn.TAGS] if cues.get("has_tags", True) else None
        rows.append((name, *(cues.get(cue, centre) for cue, centre in CENTRE.items()), tags))
    found = emotion.from_audio(*(F.col(name) for name in (*CENTRE, "tags")))
    frame = spark.createDataFrame(rows, f"name string, {SCHEMA}")
    return {
        row[0]: (row[1], row[2])
        for row in frame.select("name", found.valence, found.arousal).collect()
    }


@pytest.mark.parametrize("name", CASES)
def test_each_cue_moves_its_own_axes(estimates, name):
    _, valence, arousal = CASES[name]
    assert estimates[name] == pytest.approx((valence, arousal))


@pytest.mark.parametrize(
    "weights",
    [
        emotion.VALENCE_WEIGHTS,
        emotion.AROUSAL_WEIGHTS,
        emotion.VALENCE_WEIGHTS_WITHOUT_TAGS,
        emotion.AROUSAL_WEIGHTS_WITHOUT_TAGS,
    ],
)
def test_weights_are_shares(weights):
    assert sum(weights.values()) == pytest.approx(1.0)
    assert min(weights.values()) > 0


def test_lyrics_take_vader_s_compound_and_load(spark):
    """(0.365 - 0.165) / 0.4 = 0.5; a load of nothing is (0 - 0.165) / 0.4 = -0.4125."""
    rows = spark.createDataFrame([(-0.6, 0.365), (0.25, 0.0)], "compound double, load double")
    found = emotion.from_lyrics(F.col("compound"), F.col("load"))
    estimates = [tuple(row) for row in rows.select(found.valence, found.arousal).collect()]
    assert estimates == [pytest.approx((-0.6, 0.5)), pytest.approx((0.25, -0.4125))]


def test_every_named_tag_is_one_of_musicnn_s():
    named = {*emotion.EXCITING_TAGS, *emotion.CALM_TAGS, *emotion.HAPPY_TAGS, *emotion.SAD_TAGS}
    assert named <= set(musicnn.TAGS)
