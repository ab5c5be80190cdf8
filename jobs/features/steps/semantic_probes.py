"""Probes: attributes of MGPHot that tags and measures of a recording can tell; all others are null.

MagnaTagATune's labels are sparse: a clip has a tag when two players of a game typed it (Law et al.
2009, "Evaluation of algorithms using games: the case of music tagging"), so most of what is heard
has no label and MusiCNN's probabilities stay low. Over 14 recordings (tests.benchmarks.attributes)
its 50 probabilities sum up to 2.0, .04 for a mean tag. Hence the scale of evidence: a tag of
probability p counts p / (p + .1), so that .1, two and a half mean tags, is the middle. The .1 was
set by hand, and once for all tags: no threshold is fitted to one attribute.

No probe: guitars (the tag does not say which kind, and a solo trumpet has it with .47), drum
machines and danceability (speech has techno with .26), live recordings (no tag), and whatever is
about words, form or performance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

from pyspark.sql import Column
from pyspark.sql import functions as F

from feature_store.tables.attributes import ATTRIBUTE_NAMES
from jobs.encoders.audio.musicnn.encoder import TAGS

EVEN_PROBABILITY = 0.1  # of a tag that is as likely heard as not
SLOWEST_BPM, FASTEST_BPM = 60.0, 180.0  # Largo ends, Presto begins: marks of the metronome
SOFTEST_LUFS, LOUDEST_LUFS = -30.0, -8.0  # chamber music; masters of the loudness war
MAX_SILENCE_RATIO = 0.9  # a minute with more of it holds less sound than MusiCNN's two patches
CLEAR_KEY_CONFIDENCE = 0.25  # the highest on real music (decision in jobs/encoders)

VOCAL_TAGS = (
    *("vocal", "vocals", "voice", "singing", "female", "male", "woman", "man", "opera", "choir"),
    *("choral", "female vocal", "male vocal", "female voice", "male voice"),
)

_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class AudioCues:
    """Columns of feat_audio that probes read; any of them may be null.

    Attributes:
        tag_probabilities: arrays of 50 in the order of `TAGS`, mean over the recording.
        tempo_bpm: beats per minute, octave errors included.
        loudness_lufs: integrated loudness; null below the gate of -70 LUFS.
        key_mode: major or minor.
        key_confidence: distance to the next best key.
        silence_ratio: share of frames without sound.
    """

    tag_probabilities: Column
    tempo_bpm: Column
    loudness_lufs: Column
    key_mode: Column
    key_confidence: Column
    silence_ratio: Column


CUES = tuple(field.name for field in fields(AudioCues))


@dataclass(frozen=True, slots=True)
class Probe:
    """How one attribute follows from the cues.

    Attributes:
        formula: for people.
        source: what the formula rests on.
        value: the formula, 0..1; null where a cue that it needs is null.
    """

    formula: str
    source: str
    value: Callable[[AudioCues], Column]


def _perceived_tempo(cues: AudioCues) -> Column:
    fast, slow = _tag(cues, "fast"), _tag(cues, "slow")
    octaves = _scaled(F.log2(cues.tempo_bpm), math.log2(SLOWEST_BPM), math.log2(FASTEST_BPM))
    is_known = F.greatest(fast, slow) >= EVEN_PROBABILITY
    return F.when(is_known, (fast / (fast + slow) + octaves) / 2)


def _major_key(cues: AudioCues) -> Column:
    lean = _scaled(cues.key_confidence, 0.0, CLEAR_KEY_CONFIDENCE) / 2
    return F.when(cues.key_mode == "major", 0.5 + lean).when(cues.key_mode == "minor", 0.5 - lean)


_BY_TAGS = "MagnaTagATune's labels, by MusiCNN (Pons and Serra 2019, arXiv:1909.06654)"

PROBES: Mapping[str, Probe] = {
    "focus_lead_vocal": Probe(
        "evidence of the most probable tag about voices",
        _BY_TAGS,
        lambda cues: _evidence(_highest(cues, *VOCAL_TAGS)),
    ),
    "instruments_drum_set": Probe(
        "evidence of drums; beat and beats are heard in speech, too",
        _BY_TAGS,
        lambda cues: _evidence(_tag(cues, "drums")),
    ),
    "instruments_string_ensemble": Probe(
        "evidence of strings; violin and cello alone are no ensemble",
        _BY_TAGS,
        lambda cues: _evidence(_tag(cues, "strings")),
    ),
    "instruments_piano": Probe(
        "evidence of piano", _BY_TAGS, lambda cues: _evidence(_tag(cues, "piano"))
    ),
    "instruments_synthesizer": Probe(
        "evidence of synth", _BY_TAGS, lambda cues: _evidence(_tag(cues, "synth"))
    ),
    "sonority_synthetic": Probe(
        "evidence of the mean of electronic and synth; electronic alone is heard in speech, too",
        _BY_TAGS,
        lambda cues: _evidence((_tag(cues, "electronic") + _tag(cues, "synth")) / 2),
    ),
    "rhythm_tempo": Probe(
        "mean of fast / (fast + slow) and of tempo_bpm on a scale of octaves from 60 to 180; null "
        "where neither tag reaches the middle, because the octave of tempo_bpm is then unknown",
        "Hockman and Fujinaga 2010, ISMIR: listeners' words fast and slow settle tempo octaves",
        _perceived_tempo,
    ),
    "harmony_major_key": Probe(
        "1/2 + c / 2 in major, 1/2 - c / 2 in minor; c = key_confidence / .25, at most 1",
        "Krumhansl and Kessler 1982, by tonality.py; .25 is the highest confidence on real music",
        _major_key,
    ),
    "sonority_aural_intensity": Probe(
        "loudness_lufs from -30 to -8",
        "ITU-R BS.1770 loudness; broadcasts aim at -23 (EBU R 128), streaming at -14",
        lambda cues: _scaled(cues.loudness_lufs, SOFTEST_LUFS, LOUDEST_LUFS),
    ),
}
"""By the attribute's column."""


def probe(cues: AudioCues) -> dict[str, Column]:
    """All 58 attributes by column name, FLOAT 0..1, rounded to 6 decimals.

    Null without a probe, and for a recording of almost nothing but silence: MusiCNN gives silence
    the tags of soft music.
    """
    return {name: _value(name, cues).cast("float") for name in ATTRIBUTE_NAMES}


def _value(name: str, cues: AudioCues) -> Column:
    if name not in PROBES:
        return F.lit(None)
    is_heard = cues.silence_ratio <= MAX_SILENCE_RATIO
    return F.when(is_heard, F.round(PROBES[name].value(cues), _DECIMALS))


def _tag(cues: AudioCues, tag: str) -> Column:
    """Probability of one tag; null under an encoder that knows no tags."""
    return F.get(cues.tag_probabilities, F.lit(TAGS.index(tag))).cast("double")


def _highest(cues: AudioCues, *tags: str) -> Column:
    return F.greatest(*(_tag(cues, tag) for tag in tags))


def _evidence(probability: Column) -> Column:
    """Evidence p / (p + EVEN_PROBABILITY): .5 at EVEN_PROBABILITY, near 1 for a sure tag."""
    return probability / (probability + EVEN_PROBABILITY)


def _scaled(value: Column, low: float, high: float) -> Column:
    """(value - low) / (high - low), clipped to [0, 1]; null stays null."""
    scaled = (value.cast("double") - low) / (high - low)
    clipped = F.greatest(F.lit(0.0), F.least(F.lit(1.0), scaled))
    return F.when(value.isNotNull(), clipped)
