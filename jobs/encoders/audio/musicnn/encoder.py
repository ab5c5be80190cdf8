"""MusiCNN: encodes audio as a 200-dimensional embedding and 50 tag probabilities.

The weights are those of the package musicnn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from feature_store.lake.encoder_rows import EncoderIdentity
from feature_store.weight_packages import WeightPackage, weights_folder
from jobs.encoders.audio.decoding import audio_file
from jobs.encoders.audio.encoding import AudioEncoding
from jobs.encoders.audio.spectrograms import musicnn_mel
from jobs.encoders.identity import encoder_identity

ENCODER_ID = "musicnn-mtt-v1"
PATCH_FRAMES = 187  # 3 s, the length that the network was trained on
# MagnaTagATune's 50 most frequent tags, in the order of the network's outputs.
TAGS = (
    *("guitar", "classical", "slow", "techno", "strings", "drums", "electronic", "rock", "fast"),
    *("piano", "ambient", "beat", "violin", "vocal", "synth", "female", "indian", "opera", "male"),
    *("singing", "vocals", "no vocals", "harpsichord", "loud", "quiet", "flute", "woman"),
    *("male vocal", "no vocal", "pop", "soft", "sitar", "solo", "man", "classic", "choir", "voice"),
    *("new age", "dance", "male voice", "female vocal", "beats", "harp", "cello", "no voice"),
    *("weird", "country", "metal", "female voice", "choral"),
)


PACKAGE = WeightPackage(
    "musicnn",
    "0.1.0",
    folder="MTT_musicnn",
    wheel_sha256="f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa",
)


class MusiCNN:
    """The loaded network."""

    sample_rate_hz = audio_file.SAMPLE_RATE_HZ

    def __init__(self) -> None:
        from jobs.encoders.audio.musicnn.network import MusiCNN as Network
        from jobs.encoders.audio.musicnn.tf_checkpoint import open_checkpoint

        self._network = Network(open_checkpoint(*_checkpoint_files()))

    def encode(self, windows: Sequence[NDArray[np.float32]]) -> AudioEncoding:
        """Encode the windows of a recording, mono at 16 kHz, each of shape (n_samples,).

        The network encodes one patch at a time, so a recording's encoding depends on nothing else.
        """
        import torch

        patches = np.concatenate([cut_patches(musicnn_mel.log_mel(window)) for window in windows])
        with torch.inference_mode():
            outputs = [self._network(patch.unsqueeze(0)) for patch in torch.from_numpy(patches)]
        features, probabilities = (
            torch.cat(output).numpy() for output in zip(*outputs, strict=True)
        )
        return AudioEncoding.of(features, probabilities)


def identity(steps: Mapping[str, object]) -> EncoderIdentity:
    """The identity of this encoder.

    Args:
        steps: preprocessing of what it hears.
    """
    own = {
        "mel": musicnn_mel.preprocessing(),
        "patches": {"revision": 2, "frames": PATCH_FRAMES, "short": "repeat"},
    }
    return encoder_identity(ENCODER_ID, _checkpoint_files(), {**steps, **own})


def cut_patches(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cut frames (n_frames, bands) into adjacent patches (n_patches, PATCH_FRAMES, bands).

    An incomplete last patch is dropped. A recording shorter than one patch is repeated until it
    fills one, as in training.
    """
    if len(frames) < PATCH_FRAMES:
        n_repeats = -(-PATCH_FRAMES // len(frames))
        frames = np.tile(frames, (n_repeats, 1))
    n_patches = len(frames) // PATCH_FRAMES
    return frames[: n_patches * PATCH_FRAMES].reshape(n_patches, PATCH_FRAMES, -1)


def _checkpoint_files() -> tuple[Path, Path]:
    """Index and shard; the package is not imported, because that would import TensorFlow."""
    folder = weights_folder(PACKAGE)
    return folder / ".index", folder / ".data-00000-of-00001"
