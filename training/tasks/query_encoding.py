"""Encodes what HTCL's vectors are searched for: a recording, or a sentence.

The model is the version that made the vectors, over a catalogue of the query alone: the night's
tables are not read, because a vector depends on nothing but its content. It runs on the CPU, where
one content takes less time than a GPU takes to start.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa
import torch

from feature_store.settings import Night
from training.artifacts import model_registry, upstream
from training.config import recipe_from_json
from training.data.audio_text import AudioTextView
from training.data.content import EncoderChangedError
from training.data.graph import Edges
from training.data.spectrograms import FRAME_S, N_FRAMES, Spectrograms
from training.data.track_pairs import TrackPairs
from training.engine.loop import eval_mode
from training.models.encoders.htcl_encoder import HTCLEncoder
from training.tasks.audio_text import AudioText
from training.tasks.vector_search import checked_sentence

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from feature_store.settings import Settings
    from training.artifacts.model_registry import ModelRow
    from training.tasks.vector_search import NightVectors

_CPU = torch.device("cpu")
_QUERY = torch.tensor([0])  # the only track of the view
_RUN_ID = "search"


@dataclass(frozen=True, slots=True, eq=False)
class EncodedRecording:
    """A recording's vector.

    Attributes:
        vector: shape (dim,).
        read_s: seconds that the model reads of a recording, from its beginning; 120 at most, and
            fewer where it learned from shorter ones alone.
    """

    vector: NDArray[np.float32]
    read_s: float


@dataclass(frozen=True, slots=True, eq=False)
class EncodedSentence:
    """A sentence's vector.

    Attributes:
        vector: shape (dim,).
        max_tokens: what the model reads of a text.
        is_cut: whether the sentence has more tokens than that.
    """

    vector: NDArray[np.float32]
    max_tokens: int
    is_cut: bool


def recording_vector(
    settings: Settings, vectors: NightVectors, log_mel: bytes, mel_version: str
) -> EncodedRecording:
    """The vector of a recording.

    Args:
        settings: name the lake with the model.
        vectors: what it will be compared with.
        log_mel: as feat_mel holds it.
        mel_version: the encoder identity of that spectrogram.

    Raises:
        EncoderChangedError: the model learned from spectrograms of another preprocessing.
        NoModelError, CheckpointError: the model is gone, or not what its row names.
    """
    row, night = _row_of(settings, vectors)
    learned = upstream.learned_features(row).get("feat_mel", mel_version)
    if learned != mel_version:
        raise EncoderChangedError(
            f"feat_mel: this machine makes spectrograms by {mel_version}, the model "
            f"{row.model_version} learned from {learned}; search on a machine with the versions of "
            "the night, or train again (--retrain always)"
        )
    model = _model(night, row, log_mel, mel_version, "")
    with eval_mode(model):
        vector: NDArray[np.float32] = model.audio_vectors(_QUERY)[0].numpy()
    return EncodedRecording(vector, (model.network.audio.frames_read - 1) * FRAME_S)


def sentence_vector(settings: Settings, vectors: NightVectors, sentence: str) -> EncodedSentence:
    """The vector of a sentence in any language that the text model knows.

    Raises:
        EmptySentenceError: it has no word.
        NoModelError, CheckpointError: the model is gone, or not what its row names.
    """
    text = checked_sentence(sentence)
    row, night = _row_of(settings, vectors)
    model = _model(night, row, None, "", text)
    with eval_mode(model):
        vector: NDArray[np.float32] = model.text_vectors(_QUERY)[0].numpy()
    tower = model.network.text
    return EncodedSentence(vector, tower.max_tokens, is_cut=tower.is_cut(text))


def _row_of(settings: Settings, vectors: NightVectors) -> tuple[ModelRow, Night]:
    """The newest row of the model that made the vectors."""
    night = Night(vectors.as_of, _RUN_ID, settings)
    row = model_registry.row_of_scoring(
        night, AudioText.name, vectors.family, vectors.model_version
    )
    return row, night


def _model(
    night: Night, row: ModelRow, log_mel: bytes | None, mel_version: str, text: str
) -> HTCLEncoder:
    """The model over a catalogue of one track, which has this recording or this text."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    recipe = recipe_from_json(row.config_json)
    # Compiling takes longer than encoding one content without it.
    recipe = replace(recipe, model=replace(recipe.model, is_compiled=False))
    state = model_registry.read_state(night, row)
    model = AudioText().from_state(state, recipe, _view(log_mel, mel_version, text), {}, _CPU)
    if not isinstance(model, HTCLEncoder):
        raise AssertionError  # noqa: TRY004  only HTCL writes vectors
    return model


def _view(log_mel: bytes | None, mel_version: str, text: str) -> AudioTextView:
    nothing = torch.zeros(0, dtype=torch.int64)
    stored = [] if log_mel is None else [log_mel]
    spectrograms = Spectrograms(
        row_of={},
        stored=pa.chunked_array([pa.array(stored, pa.binary())]),
        frame_counts=torch.full((len(stored),), N_FRAMES),
    )
    return AudioTextView(
        content={},
        spectrograms=spectrograms,
        mel_version=mel_version,
        audio_rows=torch.tensor([-1 if log_mel is None else 0]),
        texts=(text,),
        copies=torch.tensor([0]),
        is_learned=torch.tensor([False]),
        pairs=TrackPairs(nothing, nothing, nothing, nothing),
        liked=Edges(nothing, nothing),
    )
