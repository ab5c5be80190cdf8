"""Interim estimates of valence and arousal, one per source, until trained models write these rows.

Each lies in [-1, 1] and comes with a standard deviation. As heard: a weighted mean of cues whose
direction is well known (Gabrielsson and Lindstrom 2010, "The role of structure in the musical
expression of emotions"): loud, fast and dense music excites; fast, dense, danceable music is
happy. As read: VADER's compound is the valence, its share of words that carry feeling the arousal.

The weights are set by hand. The text's deviations are root mean square errors on the 8,055
training sentences of EmoBank (scale 1..5 brought to -1..1), where compound and valence correlate
with r = .49, load and arousal with only .20. Nothing here was labelled for audio, so its
deviation is that of knowing little: a uniform guess would have .58.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jobs.encoders.musicnn import TAGS

Floats = NDArray[np.float64]

# Centre and spread of each cue: spread above the centre it counts fully, +1; so far below, -1.
LOUDNESS_DB = (-20.0, 10.0)
TEMPO_BPM = (110.0, 50.0)
ONSET_RATE_HZ = (4.0, 3.0)
LOAD_RATIO = (0.165, 0.4)  # EmoBank's mean, and twice its standard deviation

EXCITING_TAGS = ("loud", "fast", "rock", "metal", "techno", "beat", "drums", "dance")
CALM_TAGS = ("quiet", "slow", "soft", "ambient", "new age", "solo")
HAPPY_TAGS = ("dance", "pop", "fast", "country", "beat")
SAD_TAGS = ("slow", "quiet", "ambient", "cello", "weird")

AUDIO_SD = 0.5
LYRICS_VALENCE_SD, LYRICS_AROUSAL_SD = 0.35, 0.43


@dataclass(frozen=True, slots=True)
class Emotion:
    """Estimates of n contents, each (n,), and their standard deviations."""

    valence: Floats
    arousal: Floats
    valence_sd: float
    arousal_sd: float


def as_heard(
    loudness_db: Floats, tempo_bpm: Floats, onset_rate_hz: Floats, tag_probabilities: Floats
) -> Emotion:
    """Emotion of n recordings by their sound.

    Args:
        loudness_db: (n,).
        tempo_bpm: (n,); NaN where there is no pulse, which says nothing for either side.
        onset_rate_hz: (n,).
        tag_probabilities: (n, 50) in the order of `TAGS`.
    """
    loud, dense = _cue(loudness_db, LOUDNESS_DB), _cue(onset_rate_hz, ONSET_RATE_HZ)
    fast = np.nan_to_num(_cue(tempo_bpm, TEMPO_BPM), nan=0.0)
    exciting = _contrast(tag_probabilities, EXCITING_TAGS, CALM_TAGS)
    happy = _contrast(tag_probabilities, HAPPY_TAGS, SAD_TAGS)
    return Emotion(
        valence=0.4 * fast + 0.2 * dense + 0.4 * happy,
        arousal=0.35 * loud + 0.2 * fast + 0.25 * dense + 0.2 * exciting,
        valence_sd=AUDIO_SD,
        arousal_sd=AUDIO_SD,
    )


def as_read(sentiment_compound: Floats, emotional_load_ratio: Floats) -> Emotion:
    """Emotion of n lyrics by their words, both arguments (n,)."""
    return Emotion(
        valence=np.clip(sentiment_compound, -1, 1),
        arousal=_cue(emotional_load_ratio, LOAD_RATIO),
        valence_sd=LYRICS_VALENCE_SD,
        arousal_sd=LYRICS_AROUSAL_SD,
    )


def _cue(values: Floats, scale: tuple[float, float]) -> Floats:
    """Values in spreads from the centre, at most 1 to either side."""
    centre, spread = scale
    return np.clip((values - centre) / spread, -1, 1)


def _contrast(
    tag_probabilities: Floats, raising: tuple[str, ...], lowering: tuple[str, ...]
) -> Floats:
    """Summed probabilities of some tags less those of others, at most 1 to either side."""
    direction = np.array([(tag in raising) * 1.0 - (tag in lowering) * 1.0 for tag in TAGS])
    contrast: Floats = np.clip(tag_probabilities @ direction, -1, 1)
    return contrast
