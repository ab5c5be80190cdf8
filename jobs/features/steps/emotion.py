"""Estimates of valence and arousal from audio and from lyrics: interim rules, or a model's.

Each estimate lies in [-1, 1] and has a standard deviation. From audio: a weighted mean of cues
whose direction is well known (Gabrielsson and Lindstrom 2010, "The role of structure in the musical
expression of emotions"): loud, fast and dense music excites; fast, dense, danceable music is
happy. From lyrics: valence is VADER's compound score, arousal its share of words with emotion.

The weights are set by hand. The deviations of the lyrics are root mean square errors on the 8,055
training sentences of EmoBank (scale 1..5 brought to -1..1), where compound and valence correlate
with r = .49, load and arousal with only .20. No labelled audio was at hand,
so its deviation is set close to that of a uniform guess, which is .58.

Where training has written an estimate of the lyrics, that one counts, with the model's name.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import add

from pyspark.sql import Column
from pyspark.sql import functions as F

from jobs.encoders.audio.musicnn.encoder import TAGS

# Centre and spread of each cue: centre + spread counts as +1, centre - spread as -1.
LOUDNESS_LUFS = (-17.0, 10.0)
TEMPO_BPM = (110.0, 50.0)
ONSET_RATE_HZ = (4.0, 3.0)
LOAD_RATIO = (0.165, 0.4)  # EmoBank's mean, and twice its standard deviation

EXCITING_TAGS = ("loud", "fast", "rock", "metal", "techno", "beat", "drums", "dance")
CALM_TAGS = ("quiet", "slow", "soft", "ambient", "new age", "solo")
HAPPY_TAGS = ("dance", "pop", "fast", "country", "beat")
SAD_TAGS = ("slow", "quiet", "ambient", "cello", "weird")

AUDIO_SD = 0.5
LYRICS_VALENCE_SD, LYRICS_AROUSAL_SD = 0.35, 0.43


ESTIMATE_COLUMNS = ("valence", "arousal", "valence_sd", "arousal_sd", "family", "model_version")
"""Columns of an estimate: the values, and the model that made them; null for a rule."""


@dataclass(frozen=True, slots=True)
class Emotion:
    """Valence and arousal of each row, with their standard deviations, and who made them."""

    valence: Column
    arousal: Column
    valence_sd: Column
    arousal_sd: Column
    family: Column
    model_version: Column

    def columns(self) -> list[Column]:
        """In the order of ESTIMATE_COLUMNS, under their names."""
        return [getattr(self, name).alias(name) for name in ESTIMATE_COLUMNS]

    def where_missing(self, other: Emotion) -> Emotion:
        """This estimate, and the whole of another one in rows where this one has none."""
        is_there = self.valence.isNotNull()
        return Emotion(
            **{
                name: F.when(is_there, getattr(self, name)).otherwise(getattr(other, name))
                for name in ESTIMATE_COLUMNS
            }
        )


def from_audio(
    loudness_lufs: Column, tempo_bpm: Column, onset_rate_hz: Column, tag_probabilities: Column
) -> Emotion:
    """Emotion of recordings, from signal measures and tag probabilities.

    Args:
        loudness_lufs: in LUFS; null below -70 LUFS, which counts as quietest.
        tempo_bpm: null where there is no pulse, which counts as neutral.
        onset_rate_hz: onsets per second.
        tag_probabilities: arrays of 50 in the order of `TAGS`; null under an encoder that knows no
            tags, where the other cues share their weight.
    """
    loud = F.coalesce(_cue(loudness_lufs, LOUDNESS_LUFS), F.lit(-1.0))
    dense = _cue(onset_rate_hz, ONSET_RATE_HZ)
    fast = F.coalesce(_cue(tempo_bpm, TEMPO_BPM), F.lit(0.0))
    exciting = _contrast(tag_probabilities, EXCITING_TAGS, CALM_TAGS)
    happy = _contrast(tag_probabilities, HAPPY_TAGS, SAD_TAGS)
    valence, arousal = 0.4 * fast + 0.2 * dense, 0.35 * loud + 0.2 * fast + 0.25 * dense
    return Emotion(
        valence=F.coalesce(valence + 0.4 * happy, valence / 0.6),
        arousal=F.coalesce(arousal + 0.2 * exciting, arousal / 0.8),
        valence_sd=F.lit(AUDIO_SD),
        arousal_sd=F.lit(AUDIO_SD),
        **_by_rules(),
    )


def from_lyrics(sentiment_compound: Column, emotional_load_ratio: Column) -> Emotion:
    """Emotion of lyrics, from their sentiment, by rules."""
    return Emotion(
        valence=_clipped(sentiment_compound),
        arousal=_cue(emotional_load_ratio, LOAD_RATIO),
        valence_sd=F.lit(LYRICS_VALENCE_SD),
        arousal_sd=F.lit(LYRICS_AROUSAL_SD),
        **_by_rules(),
    )


def from_model(estimate: str) -> Emotion:
    """Emotion as a model of training has written it.

    Args:
        estimate: a struct column with ESTIMATE_COLUMNS; null where there is none.
    """
    return Emotion(**{name: F.col(f"{estimate}.{name}") for name in ESTIMATE_COLUMNS})


def _by_rules() -> dict[str, Column]:
    """No model made the estimate."""
    return {name: F.lit(None).cast("string") for name in ("family", "model_version")}


def _cue(value: Column, scale: tuple[float, float]) -> Column:
    """(value - centre) / spread, clipped to [-1, 1]; null stays null."""
    centre, spread = scale
    return _clipped((value - centre) / spread)


def _contrast(
    tag_probabilities: Column, raising: tuple[str, ...], lowering: tuple[str, ...]
) -> Column:
    """Summed probabilities of `raising` less those of `lowering` tags, clipped to [-1, 1]."""
    terms = [
        F.get(tag_probabilities, F.lit(position)).cast("double") * (1.0 if tag in raising else -1.0)
        for position, tag in enumerate(TAGS)
        if tag in raising or tag in lowering
    ]
    return _clipped(reduce(add, terms))


def _clipped(value: Column) -> Column:
    """Clipped to [-1, 1]; null stays null (greatest and least alone would skip it)."""
    clipped = F.greatest(F.lit(-1.0), F.least(F.lit(1.0), value.cast("double")))
    return F.when(value.isNotNull(), clipped)
