"""OpenL3: encodes audio as an embedding of 512 or 6,144 numbers, trained on music or on all sounds.

The authors publish the weights as .h5 files and not as a package that a current Python installs, so
the setting `encoders.openl3_weights` names the file; it must lie on every machine of Spark.
Paper: Cramer, Wu, Salamon and Bello 2019, "Look, Listen, and Learn More: Design Choices for Deep
Audio Embeddings" (ICASSP).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from feature_store.lake.encoder_rows import EncoderIdentity
from feature_store.setting_groups import EncoderSettings
from jobs.encoders.audio.encoding import AudioEncoding
from jobs.encoders.audio.openl3.weights_file import WeightsFileError, read_layers
from jobs.encoders.audio.spectrograms import openl3_mel
from jobs.encoders.identity import encoder_identity

HOP_S = 1.0
"""Between the starts of two seconds, so each sample is in one. openl3's default of 0.1 is for a
series of embeddings; a mean over the recording would take ten times as long."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A published network.

    Attributes:
        content_type: what it was trained on, music or env (sounds of the environment).
        embedding_size: 512 or 6144.
    """

    content_type: str
    embedding_size: int


VARIANTS = {
    f"openl3-{content_type}-mel256-{size}": Variant(content_type, size)
    for content_type in ("music", "env")
    for size in (512, 6144)
}
"""By encoder id."""


class OpenL3:
    """The loaded network.

    Args:
        encoder_id: one of VARIANTS.
        settings: name the weights file.

    Raises:
        WeightsFileError: the file is missing, or is not of this network.
    """

    sample_rate_hz = openl3_mel.SAMPLE_RATE_HZ

    def __init__(self, encoder_id: str, settings: EncoderSettings) -> None:
        from jobs.encoders.audio.openl3.network import OpenL3 as Network

        variant = VARIANTS[encoder_id]
        layers = read_layers(_weights_file(settings), variant.content_type)
        self._network = Network(layers, variant.embedding_size)

    def encode(self, windows: Sequence[NDArray[np.float32]]) -> AudioEncoding:
        """Encode windows of mono samples at 48 kHz, each (n_samples,), without tags.

        The network encodes one second at a time, so a recording's encoding depends on nothing else.
        """
        import torch

        with torch.inference_mode():
            embeddings = [
                self._network(torch.from_numpy(openl3_mel.mel_decibels(second)).unsqueeze(0))
                for window in windows
                for second in cut_seconds(window)
            ]
        return AudioEncoding.of(torch.cat(embeddings).numpy())


def identity(
    encoder_id: str, settings: EncoderSettings, steps: Mapping[str, object]
) -> EncoderIdentity:
    """The identity of this encoder with these settings; the weights file is read and checked.

    Args:
        encoder_id: one of VARIANTS.
        settings: name the weights file.
        steps: preprocessing of what it hears.

    Raises:
        WeightsFileError: the file is missing, or is not of this network.
    """
    file = _weights_file(settings)
    read_layers(file, VARIANTS[encoder_id].content_type)
    own = {
        "mel": openl3_mel.preprocessing(),
        "seconds": {"revision": 1, "hop_s": HOP_S, "centred": True},
    }
    return encoder_identity(encoder_id, [file], {**steps, **own})


def cut_seconds(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """One second every HOP_S seconds, shape (n_seconds, 48000).

    As in openl3, half a second of zeros comes first, so that a second's middle is its time, and
    zeros fill the last one, so that every sample is in one.

    Args:
        samples: mono at 48 kHz, shape (n_samples,), at least one.
    """
    length = openl3_mel.WINDOW_SAMPLES
    hop = round(HOP_S * openl3_mel.SAMPLE_RATE_HZ)
    n_samples = length // 2 + len(samples)
    n_seconds = 1 + max(0, -(-(n_samples - length) // hop))
    missing = (n_seconds - 1) * hop + length - n_samples
    padded = np.pad(samples, (length // 2, missing))
    return np.lib.stride_tricks.sliding_window_view(padded, length)[::hop]


def _weights_file(settings: EncoderSettings) -> Path:
    if fault := settings.openl3_weights_fault():
        raise WeightsFileError(fault)
    return Path(settings.openl3_weights)
