"""The probes of attributes, by hand; what no cue tells is null."""

from __future__ import annotations

import pytest
from pyspark.sql import functions as F

from feature_store.tables.attributes import ATTRIBUTE_NAMES
from jobs.encoders.audio.musicnn.encoder import TAGS
from jobs.features.steps.semantic_probes import CUES, PROBES, VOCAL_TAGS, AudioCues, probe

SCHEMA = (
    "name string, tag_probabilities array<float>, tempo_bpm double, loudness_lufs double, "
    "key_mode string, key_confidence double, silence_ratio double"
)

# What a recording has; the attribute; its value. A tag of p counts p / (p + .1).
CASES = {
    "a voice, by any of its tags": ({"female voice": 0.3}, "focus_lead_vocal", 0.75),
    "the most probable tag of a voice counts": ({"male": 0.1, "choir": 0.4}, "focus_lead_vocal", 0.8),
    "tags that say no voice are no voice": ({"no vocals": 0.9}, "focus_lead_vocal", 0.0),
    "drums at the middle": ({"drums": 0.1}, "instruments_drum_set", 0.5),
    "a beat is no drum set": ({"beat": 0.9, "beats": 0.9}, "instruments_drum_set", 0.0),
    "strings": ({"strings": 0.4}, "instruments_string_ensemble", 0.8),
    "a violin alone is no ensemble": ({"violin": 0.9}, "instruments_string_ensemble", 0.0),
    "piano": ({"piano": 0.9}, "instruments_piano", 0.9),
    "synth": ({"synth": 0.1}, "instruments_synthesizer", 0.5),
    "half of electronic sound": ({"electronic": 0.2}, "sonority_synthetic", 0.5),
    "Largo that taggers call slow": ({"slow": 0.2, "tempo_bpm": 60.0}, "rhythm_tempo", 0.0),
    "Presto that taggers call fast": ({"fast": 0.2, "tempo_bpm": 180.0}, "rhythm_tempo", 1.0),
    "beyond the scale": ({"fast": 0.2, "tempo_bpm": 220.0}, "rhythm_tempo", 1.0),
    # log2(120 / 60) / log2(180 / 60) = .63093; (.63093 + .2 / .3) / 2
    "the words settle half of it": ({"fast": 0.2, "slow": 0.1, "tempo_bpm": 120.0}, "rhythm_tempo", 0.648798),
    "an octave that nobody settles": ({"fast": 0.09, "slow": 0.09, "tempo_bpm": 120.0}, "rhythm_tempo", None),
    "no pulse": ({"fast": 0.2}, "rhythm_tempo", None),
    "clearly major": ({"key_mode": "major", "key_confidence": 0.3}, "harmony_major_key", 1.0),
    "rather minor, .125 of .25": ({"key_mode": "minor", "key_confidence": 0.125}, "harmony_major_key", 0.25),
    "either": ({"key_mode": "minor", "key_confidence": 0.0}, "harmony_major_key", 0.5),
    "no key": ({}, "harmony_major_key", None),
    "a mode without its confidence": ({"key_mode": "major"}, "harmony_major_key", None),
    "loudness half way from -30 to -8": ({"loudness_lufs": -19.0}, "sonority_aural_intensity", 0.5),
    "louder than the scale": ({"loudness_lufs": -3.0}, "sonority_aural_intensity", 1.0),
    "softer than the scale": ({"loudness_lufs": -69.0}, "sonority_aural_intensity", 0.0),
    "no loudness": ({}, "sonority_aural_intensity", None),
    "rests between notes": ({"piano": 0.9, "silence_ratio": 0.8}, "instruments_piano", 0.9),
    "one click in silence": ({"piano": 0.15, "silence_ratio": 0.99}, "instruments_piano", None),
    "hiss": ({"loudness_lufs": -69.0, "silence_ratio": 1.0}, "sonority_aural_intensity", None),
}  # fmt: skip


def recording(name, cues):
    tags = [cues.get(tag, 0.0) for tag in TAGS]
    cues = {"silence_ratio": 0.0} | cues
    return (name, tags, *(cues.get(cue) for cue in CUES if cue != "tag_probabilities"))


@pytest.fixture(scope="session")
def probed(spark):
    """All attributes of each case, by its name; one job for all."""
    frame = spark.createDataFrame(
        [recording(name, cues) for name, (cues, _, _) in CASES.items()], SCHEMA
    )
    found = probe(AudioCues(**{name: F.col(name) for name in CUES}))
    rows = frame.select("name", *(value.alias(name) for name, value in found.items())).collect()
    return {row["name"]: row for row in rows}


@pytest.mark.parametrize("name", CASES)
def test_a_probe_is_its_formula(probed, name):
    _, attribute, expected = CASES[name]
    assert probed[name][attribute] == (expected and pytest.approx(expected, abs=1e-6))


def test_what_no_cue_tells_is_null(probed):
    """49 attributes have no probe, whatever the recording is like."""
    silent = set(ATTRIBUTE_NAMES) - PROBES.keys()

    assert len(silent) == 49
    assert {row[name] for row in probed.values() for name in silent} == {None}
    assert {"sonority_live_recording", "lyrics_sad", "instruments_acoustic_guitar"} <= silent


def test_without_tags_only_loudness_and_key_are_known(spark):
    """An encoder other than MusiCNN knows no tags."""
    row = ("untagged", None, 120.0, -19.0, "major", 0.25, 0.0)
    found = probe(AudioCues(**{name: F.col(name) for name in CUES}))
    [values] = (
        spark.createDataFrame([row], SCHEMA)
        .select(*(value.alias(name) for name, value in found.items()))
        .collect()
    )

    known = {name: value for name, value in values.asDict().items() if value is not None}
    assert known == {"harmony_major_key": 1.0, "sonority_aural_intensity": 0.5}


def test_every_probe_is_about_an_attribute_and_says_what_it_rests_on():
    assert PROBES.keys() <= set(ATTRIBUTE_NAMES)
    assert set(VOCAL_TAGS) <= set(TAGS)
    assert [name for name, each in PROBES.items() if not (each.formula and each.source)] == []
