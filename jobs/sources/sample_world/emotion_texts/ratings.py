"""Ratings of the labelled sentences: raters who differ, as those of EmoBank do.

Each sentence has five raters for each perspective. A rater feels the planted value with an error,
and says a whole number from 1 to 5. The combined row is the mean of all ten, without a spread and
a count, as in EmoBank. Of what sets its labels apart the planted values are about .71 (valence)
and .52 (arousal), the reliability of EmoBank, so no model can explain more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jobs.sources.emotion_text_rows import (
    EmotionTextRow,
    sd_to_common_scale,
    to_common_scale,
)
from jobs.sources.sample_world.emotion_texts.sentences import Sentence, write_sentence
from jobs.sources.sample_world.options import SampleWorld
from jobs.sources.sample_world.rng import generator

N_RATERS = 5
VALENCE_ERROR = 0.52
AROUSAL_ERROR = 0.49
"""Standard deviations of a rater's error, on the scale of 1 to 5, before the whole number."""

READER_STRENGTH = 1.1
"""Readers' labels are spread wider than writers', as in EmoBank; a writer feels as much less."""

_SPLITS = (*("train",) * 8, "dev", "test")
"""Split of a text by its position: eight in ten train a model."""


@dataclass(frozen=True, slots=True)
class LabelledText:
    """A sentence with what was planted, and its landing rows: one for each perspective."""

    sentence: Sentence
    rows: tuple[EmotionTextRow, ...]


def make_labelled_texts(world: SampleWorld) -> list[LabelledText]:
    """The world's labelled texts; each has a generator of its own."""
    return [_labelled_text(world, position) for position in range(world.n_emotion_texts)]


def _labelled_text(world: SampleWorld, position: int) -> LabelledText:
    rng = generator(world.seed, "emotion text", position)
    sentence = write_sentence(rng)
    strengths = {"reader": READER_STRENGTH, "writer": 2 - READER_STRENGTH}
    ratings = {name: _ratings(rng, sentence, strength) for name, strength in strengths.items()}
    everybody = np.concatenate(list(ratings.values()))
    rows = (
        _row(position, sentence, "combined", everybody, has_spread=False),
        *[_row(position, sentence, name, each, has_spread=True) for name, each in ratings.items()],
    )
    return LabelledText(sentence, rows)


def _ratings(rng: np.random.Generator, sentence: Sentence, strength: float) -> np.ndarray:
    """Valence and arousal as raters say them, whole numbers from 1 to 5, shape (N_RATERS, 2)."""
    planted = 3 + 2 * strength * np.array([sentence.valence, sentence.arousal])
    felt = planted + rng.normal(size=(N_RATERS, 2)) * (VALENCE_ERROR, AROUSAL_ERROR)
    return np.clip(np.rint(felt), 1, 5)


def _row(
    position: int, sentence: Sentence, perspective: str, ratings: np.ndarray, *, has_spread: bool
) -> EmotionTextRow:
    mean, sd = ratings.mean(axis=0), ratings.std(axis=0)
    return EmotionTextRow(
        text_id=f"text-{position:05d}",
        perspective=perspective,
        emotion_text=sentence.text,
        valence=to_common_scale(float(mean[0])),
        arousal=to_common_scale(float(mean[1])),
        valence_rating_sd=sd_to_common_scale(float(sd[0])) if has_spread else None,
        arousal_rating_sd=sd_to_common_scale(float(sd[1])) if has_spread else None,
        rater_count=len(ratings) if has_spread else None,
        source_split=_SPLITS[position % len(_SPLITS)],
    )
