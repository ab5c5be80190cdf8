"""Estimates of valence and arousal from audio and from lyrics: interim rules, or a model's.

Each estimate lies in [-1, 1] and has a standard deviation. From audio: a weighted mean of cues
whose direction is well known (Gabrielsson and Lindstrom 2010, "The role of structure in the musical
expression of emotions"): loud, fast and dense music excites; fast, dense, danceable music is
happy. From lyrics: valence is VADER's compound score, arousal its share of words with emotion.

No labelled audio was at hand. The weights of arousal are fitted to the planted moods of sample
worlds, synthetic music, as it is synthesised and with equal peaks, and rounded to .05; on genres
and worlds that were not fitted they rank better than the weights set by hand before. Weights of
valence are set by hand: no fit ranked the valence of unseen genres, and theirs does not either.
The deviations of audio are root mean square errors on those worlds (tests.benchmarks.audio_emotion
and DECISIONS.md). Those of the lyrics are errors on the 8,055 training sentences of EmoBank (scale
1..5 brought to -1..1), where compound and valence correlate with r = .49, load and arousal with
only .20.

Where training has written an estimate of the lyrics, that one counts, with the model's name.
"""

from __future__ import annotations

from collections.abc import Mapping
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

VALENCE_WEIGHTS = {"fast": 0.4, "dense": 0.2, "happy": 0.4}
AROUSAL_WEIGHTS = {"fast": 0.05, "dense": 0.15, "exciting": 0.8}
"""Shares of the cues of audio_cues, which sum to 1."""

# Under an encoder that knows no tags: set by hand.
VALENCE_WEIGHTS_WITHOUT_TAGS = {"fast": 0.4 / 0.6, "dense": 0.2 / 0.6}
AROUSAL_WEIGHTS_WITHOUT_TAGS = {"loud": 0.35 / 0.8, "fast": 0.2 / 0.8, "dense": 0.25 / 0.8}

AUDIO_VALENCE_SD, AUDIO_AROUSAL_SD = 0.65, 0.4
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


def audio_cues(
    loudness_lufs: Column, tempo_bpm: Column, onset_rate_hz: Column, tag_probabilities: Column
) -> dict[str, Column]:
    """Cues of recordings by name, each in [-1, 1], from signal measures and tag probabilities.

    `exciting` and `happy` are null under an encoder that knows no tags.

    Args:
        loudness_lufs: in LUFS; null below -70 LUFS, which counts as quietest.
        tempo_bpm: null where there is no pulse, which counts as neutral.
        onset_rate_hz: onsets per second.
        tag_probabilities: arrays of 50 in the order of `TAGS`; may be null.
    """
    return {
        "loud": F.coalesce(_cue(loudness_lufs, LOUDNESS_LUFS), F.lit(-1.0)),
        "fast": F.coalesce(_cue(tempo_bpm, TEMPO_BPM), F.lit(0.0)),
        "dense": _cue(onset_rate_hz, ONSET_RATE_HZ),
        "exciting": _contrast(tag_probabilities, EXCITING_TAGS, CALM_TAGS),
        "happy": _contrast(tag_probabilities, HAPPY_TAGS, SAD_TAGS),
    }


def from_audio(
    loudness_lufs: Column, tempo_bpm: Column, onset_rate_hz: Column, tag_probabilities: Column
) -> Emotion:
    """Emotion of recordings: weighted means of their cues; see audio_cues for the arguments."""
    cues = audio_cues(loudness_lufs, tempo_bpm, onset_rate_hz, tag_probabilities)
    return Emotion(
        valence=F.coalesce(
            _weighted(cues, VALENCE_WEIGHTS), _weighted(cues, VALENCE_WEIGHTS_WITHOUT_TAGS)
        ),
        arousal=F.coalesce(
            _weighted(cues, AROUSAL_WEIGHTS), _weighted(cues, AROUSAL_WEIGHTS_WITHOUT_TAGS)
        ),
        valence_sd=F.lit(AUDIO_VALENCE_SD),
        arousal_sd=F.lit(AUDIO_AROUSAL_SD),
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


def _weighted(cues: Mapping[str, Column], weights: Mapping[str, float]) -> Column:
    """Weighted sum of cues; null where one of them is."""
    return reduce(add, (weight * cues[name] for name, weight in weights.items()))


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
