"""Audio models of transformers (CLAP, wav2vec 2.0, HuBERT): a recording becomes one vector.

The recording is cut into windows of a fixed length; the vector of a window is what the model gives
for audio as a whole, or the mean over its frames, and the recording's is the mean over windows.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from feature_store.lake.encoder_rows import EncoderIdentity
from jobs.encoders.audio import audio_file, signal
from jobs.encoders.audio.encoding import AudioEncoding
from jobs.encoders.transformer_folder import (
    LOCAL,
    ModelFolderError,
    folder_identity,
    load_model,
    loading,
    one_vector,
    read_json,
)

EXTRACTOR_FILES = ("preprocessor_config.json", "processor_config.json")
WINDOW_S = 10.0  # CLAP's input; the others take any length


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
            second = np.sin(np.arange(self.sample_rate_hz, dtype=np.float32) * 0.1)
            self._encode_window(second)  # an error belongs to the model, not to a recording

    def encode(self, samples: NDArray[np.float32]) -> AudioEncoding:
        """Embedding of mono samples at `sample_rate_hz`, shape (n_samples,); it knows no tags."""
        length = round(WINDOW_S * self.sample_rate_hz)
        windows = [samples[start : start + length] for start in range(0, len(samples), length)]
        if len(windows) > 1 and len(windows[-1]) < audio_file.MIN_S * self.sample_rate_hz:
            windows.pop()  # an end that holds neither a beat nor a phrase
        vectors = [self._encode_window(window) for window in windows]
        return AudioEncoding(np.asarray(np.mean(vectors, axis=0), dtype=np.float32), None)

    def _encode_window(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
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


def audio_identity(encoder_id: str, folder: Path, max_audio_s: float) -> EncoderIdentity:
    """The identity of an audio model with these settings."""
    steps = {
        "revision": 1,  # raise it when code of this module changes its output
        "audio_file": audio_file.preprocessing(max_audio_s),
        "sample_rate_hz": sample_rate_hz(folder),
        "window_s": WINDOW_S,
        "transformers": version("transformers"),  # its extractors compute what the model hears
        "signal": signal.preprocessing(),
    }
    return folder_identity(encoder_id, folder, steps)


def sample_rate_hz(folder: Path) -> int:
    """The rate of the samples that the model takes.

    Raises:
        ModelFolderError: the folder does not say.
    """
    for name in EXTRACTOR_FILES:
        config = read_json(folder / name)
        extractor = config.get("feature_extractor", config)
        if rate := extractor.get("sampling_rate"):
            return int(rate)
    raise ModelFolderError(
        f"encoder in {folder}: {' and '.join(EXTRACTOR_FILES)} name no sampling_rate; add it"
    )
