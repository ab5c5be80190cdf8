"""Audio models of transformers (CLAP, wav2vec 2.0, HuBERT): a recording becomes one vector.

Each window of the recording is cut into equal pieces, as few as the model takes; the vector of a
piece is what the model gives for audio as a whole, or the mean over its frames.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from feature_store.lake.encoder_rows import EncoderIdentity
from jobs.encoders.audio.encoding import AudioEncoding
from jobs.encoders.transformer_folder import (
    LOCAL,
    ModelFolderError,
    folder_identity,
    inner_object,
    load_model,
    loading,
    one_vector,
    positive_number,
    read_object,
)

EXTRACTOR_FILES = ("preprocessor_config.json", "processor_config.json")
MAX_PIECE_S = 10.0  # CLAP's input; the others take any length


class TransformerAudio:
    """The loaded model and its feature extractor.

    Raises:
        ModelFolderError: the folder holds no model of audio.
    """

    def __init__(self, folder: Path) -> None:
        from transformers import AutoFeatureExtractor

        self.sample_rate_hz = sample_rate_hz(folder)
        with loading(folder):
            self._model = load_model(folder).model
            self._extractor = AutoFeatureExtractor.from_pretrained(folder, **LOCAL)
            # CLAP's extractor cuts what is longer at random.
            longest_s = float(getattr(self._extractor, "max_length_s", None) or MAX_PIECE_S)
            self._piece_samples = int(min(MAX_PIECE_S, longest_s) * self.sample_rate_hz)
            second = np.sin(np.arange(self.sample_rate_hz, dtype=np.float32) * 0.1)
            self._encode_piece(second)  # an error belongs to the model, not to a recording

    def encode(self, windows: Sequence[NDArray[np.float32]]) -> AudioEncoding:
        """Encode windows of mono samples at `sample_rate_hz`, each (n_samples,), without tags."""
        pieces = [
            piece
            for window in windows
            for piece in np.array_split(window, -(-len(window) // self._piece_samples))
        ]
        return AudioEncoding.of(np.stack([self._encode_piece(piece) for piece in pieces]))

    def _encode_piece(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        import torch

        inputs = self._extractor(
            samples, sampling_rate=self.sample_rate_hz, return_tensors="pt", padding=True
        )
        with torch.inference_mode():
            if hasattr(self._model, "get_audio_features"):
                return one_vector(self._model.get_audio_features(**inputs))
            frames = self._model(**inputs).last_hidden_state  # (1, n_frames, dim)
        mean: NDArray[np.float32] = frames.mean(dim=1)[0].numpy()
        return mean


def audio_identity(encoder_id: str, folder: Path, steps: Mapping[str, object]) -> EncoderIdentity:
    """The identity of an audio model.

    Args:
        encoder_id: of its rows.
        folder: of the model.
        steps: preprocessing of what it hears.
    """
    own = {
        "revision": 3,  # raise it when code of this module changes its output
        "sample_rate_hz": sample_rate_hz(folder),
        "piece_s": MAX_PIECE_S,
        "transformers": version("transformers"),  # its extractors compute what the model hears
    }
    return folder_identity(encoder_id, folder, {**steps, **own})


def sample_rate_hz(folder: Path) -> int:
    """The rate of the samples that the model takes.

    Raises:
        ModelFolderError: the folder does not say, or says something else than a rate.
    """
    for name in EXTRACTOR_FILES:
        file = folder / name
        extractor = inner_object(file, read_object(file), "feature_extractor")
        if rate := positive_number(file, extractor, "sampling_rate"):
            return rate
    raise ModelFolderError(
        f"encoder in {folder}: {' and '.join(EXTRACTOR_FILES)} name no sampling_rate; add it"
    )
