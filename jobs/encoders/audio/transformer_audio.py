"""Audio models of transformers (CLAP, MERT, wav2vec 2.0): a recording becomes one vector.

The recording is cut into windows of a fixed length; the vector of a window is what the model gives
for audio as a whole, or the mean over its frames, and the recording's is the mean over windows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from feature_store.lake.encoder_rows import EncoderIdentity
from jobs.encoders.audio import audio_file, signal
from jobs.encoders.audio.encoding import AudioEncoding
from jobs.encoders.transformer_folder import folder_identity, load_model, read_json

WINDOW_S = 10.0  # CLAP's input; the others take any length


class TransformerAudio:
    """The loaded model and its feature extractor."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoFeatureExtractor

        self._model = load_model(folder)
        self._extractor = AutoFeatureExtractor.from_pretrained(folder, local_files_only=True)
        self.sample_rate_hz = sample_rate_hz(folder)

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
            return _one_vector(self._model, inputs)


def audio_identity(encoder_id: str, folder: Path, max_audio_s: float) -> EncoderIdentity:
    """The identity of an audio model with these settings."""
    steps = {
        "revision": 1,  # raise it when code of this module changes its output
        "audio_file": audio_file.preprocessing(max_audio_s),
        "sample_rate_hz": sample_rate_hz(folder),
        "window_s": WINDOW_S,
        "signal": signal.preprocessing(),
    }
    return folder_identity(encoder_id, folder, steps)


def sample_rate_hz(folder: Path) -> int:
    """The rate of the samples that the model takes; 16 kHz where its folder does not say."""
    for name in ("preprocessor_config.json", "processor_config.json"):
        config = read_json(folder / name)
        extractor = config.get("feature_extractor", config)
        if rate := extractor.get("sampling_rate"):
            return int(rate)
    return audio_file.SAMPLE_RATE_HZ


def _one_vector(model: Any, inputs: Any) -> NDArray[np.float32]:
    """The model's vector of a whole input, or else the mean over its frames, shape (dim,)."""
    if hasattr(model, "get_audio_features"):
        found = model.get_audio_features(**inputs)
        # Newer versions wrap the projected vector as the pooled output.
        vector = found if not hasattr(found, "pooler_output") else found.pooler_output
        whole: NDArray[np.float32] = vector[0].numpy()
        return whole
    frames = model(**inputs).last_hidden_state  # (1, n_frames, dim)
    mean: NDArray[np.float32] = frames.mean(dim=1)[0].numpy()
    return mean
