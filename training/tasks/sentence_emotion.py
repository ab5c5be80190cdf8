"""Reads what a person writes: its valence and arousal, unless it is a statement of distress.

The model is the version of text_emotion that read the night's lyrics, so that sentences and tracks
are on one scale. A sentence stays in this process: nothing here logs or stores it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import pyarrow.dataset as ds
import torch

from feature_store.distress import DistressJudge, is_distress
from feature_store.distress_examples import HIDDEN_DISTRESS, NO_DISTRESS, PLAIN_DISTRESS
from feature_store.lake.delta_tables import as_of_dates, exists, open_dataset, open_table
from feature_store.tables.features import FEAT_LYRICS_EMOTION
from training.artifacts import model_registry
from training.config import recipe_from_json
from training.data.emotion_texts import DIMENSIONS, PERSPECTIVES, EmotionTexts, EmotionView
from training.engine.loop import eval_mode
from training.models.encoders.sentence_encoder import load_encoder, sentence_vectors
from training.tasks.lyrics_emotion import chunks_of, emotion_of
from training.tasks.protocol import ScoringModel
from training.tasks.sentence_text import plain_text
from training.tasks.text_emotion import TextEmotion

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from feature_store.settings import Night
    from training.models.emotion_protocol import Estimates

_CPU = torch.device("cpu")
_MAX_TOKENS = 128  # that the judge of distress reads of a chunk
_JUDGED_CHUNKS = 8
"""Chunks of 200 characters that the judge reads: of hundreds it would mistake one. Phrases of
distress are looked for in all of a text."""
_MAX_DAYS = 5
"""Days that a message names."""


class NoTextModelError(LookupError):
    """No model has read the night's lyrics, so none can read a sentence."""


@dataclass(frozen=True, slots=True)
class SentenceReading:
    """What a sentence says.

    Attributes:
        text: the words that were read; without tags, control characters and empty lines.
        emotion: valence, arousal, valence_sd, arousal_sd, as in feat_lyrics_emotion; None for a
            statement of distress, in which nothing is read.
    """

    text: str
    emotion: dict[str, float] | None


class SentenceReader:
    """Reads sentences; its models are loaded once, when they are first needed.

    Args:
        night: whose model reads; its run id does not matter.
    """

    def __init__(self, night: Night) -> None:
        from transformers.utils import logging

        logging.disable_progress_bar()
        self._night = night

    def warm(self) -> None:
        """Load the models now.

        Raises:
            NoTextModelError, NoModelError, CheckpointError: as `read`.
        """
        with _in_one_thread():
            self._estimate(["warm"])
            packaged_judge()

    def read(self, sentence: str) -> SentenceReading:
        """The emotion of a sentence or a longer text.

        Distress is looked for first, and needs no model of the lake.

        Raises:
            NoWordsError: it has no word.
            NoTextModelError: no model has read the night's lyrics.
            NoModelError, CheckpointError: the model is gone, or not what its row names.
        """
        text = plain_text(sentence)
        chunks = chunks_of(text)
        with _in_one_thread():
            if is_distress(text) or any(map(packaged_judge().is_distress, chunks[:_JUDGED_CHUNKS])):
                return SentenceReading(text, None)
            return SentenceReading(text, emotion_of(self._estimate(chunks)))

    @cached_property
    def scoring(self) -> ScoringModel:
        """Family and version of the model that reads.

        Raises:
            NoTextModelError: no model has read the night's lyrics.
        """
        return scoring_of_lyrics(self._night)

    def _estimate(self, chunks: Sequence[str]) -> Estimates:
        with eval_mode(self._model):
            found: Estimates = self._model.estimate(chunks)
        return found

    @cached_property
    def _model(self) -> Any:
        return _load_model(self._night, self.scoring)


@contextmanager
def _in_one_thread() -> Iterator[None]:
    """A second thread took six times the seconds of a busy machine: few words share no work."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)


@cache
def packaged_judge() -> DistressJudge:
    """The judge of distress, which depends on nothing of a lake; made once in a process."""
    return DistressJudge(_SentenceVectors())


class _SentenceVectors:
    """Vectors of sentences by the packaged MiniLM, those of the judge's examples at once.

    The packaged one also where text_emotion has another: the judge's examples were tried with it.
    """

    def __init__(self) -> None:
        self._tower = load_encoder("", _MAX_TOKENS)
        examples = [*PLAIN_DISTRESS, *HIDDEN_DISTRESS, *NO_DISTRESS]
        self._of_example: dict[str, NDArray[np.float32]] = dict(
            zip(examples, self._unit_vectors(examples), strict=True)
        )

    def __call__(self, sentence: str) -> NDArray[np.float32]:
        if sentence in self._of_example:
            return self._of_example[sentence]
        vector: NDArray[np.float32] = self._unit_vectors([sentence])[0]
        return vector

    def _unit_vectors(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Shape (n, width)."""
        vectors = torch.nn.functional.normalize(sentence_vectors(self._tower, sentences))
        found: NDArray[np.float32] = vectors.numpy()
        return found


def scoring_of_lyrics(night: Night) -> ScoringModel:
    """Family and version of the model that read the night's lyrics.

    Raises:
        NoTextModelError: none did; says what to set.
    """
    lake, table = night.settings.lake, FEAT_LYRICS_EMOTION
    rows = []
    if exists(lake, table):
        dataset = open_dataset(open_table(lake, table))
        is_of_night = ds.field("as_of_date") == night.as_of
        columns = ["family", "model_version"]  # all rows of a night have the same
        rows = dataset.head(1, columns=columns, filter=is_of_night).to_pylist()
    if not rows:
        raise NoTextModelError(_why_none(night))
    return ScoringModel(**rows[0])


def _why_none(night: Night) -> str:
    """A message that says what to set, and which nights have a model."""
    tasks = night.settings.training.tasks
    to_do = (
        f"set training.tasks = {json.dumps([*tasks, TextEmotion.name])} and run a night"
        if TextEmotion.name not in tasks
        else f"the task {TextEmotion.name} is on, but has read no lyrics: it needs labelled texts "
        "(evensong ingest emobank PATH) and tracks with lyrics; `evensong models` says what its "
        "training lacked. Then run a night"
    )
    days = sorted(as_of_dates(night.settings.lake, FEAT_LYRICS_EMOTION))[-_MAX_DAYS:]
    elsewhere = f"; the newest days that have some: {', '.join(map(str, days))} (--as-of)"
    return (
        f"{FEAT_LYRICS_EMOTION.name}: no row as of {night.as_of}, so there is no model that reads "
        f"a sentence as it has read the lyrics; {to_do}{elsewhere if days else ''}"
    )


def _load_model(night: Night, scoring: ScoringModel) -> Any:
    """The EmotionEstimator of a version, over no texts: what it says depends on its state alone."""
    row = model_registry.row_of_scoring(
        night, TextEmotion.name, scoring.family, scoring.model_version
    )
    state = model_registry.read_state(night, row)
    recipe = recipe_from_json(row.config_json)
    return TextEmotion().from_state(state, recipe, _no_texts(), {}, _CPU)


def _no_texts() -> EmotionView:
    labels = torch.zeros(0, len(PERSPECTIVES), len(DIMENSIONS))
    return EmotionView(EmotionTexts([], [], labels, [], []), torch.zeros(0, dtype=torch.int64))
