"""Encoders by id, one mapping per modality; the settings choose one (`EVENSONG_ENCODERS__AUDIO`).

`identity` is cheap and runs where a job is planned. `load` reads the weights, once in each of
Spark's Python workers. To add an encoder, write a module with a function `identity` and a class
with a method `encode`, and register both here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from feature_store.lake.encoder_rows import EncoderIdentity
from feature_store.setting_groups import EncoderSettings
from jobs.encoders.audio import musicnn
from jobs.encoders.image import efficientnet_lite
from jobs.encoders.text import minilm

EncoderT = TypeVar("EncoderT")


class AudioEncoder(Protocol):
    """Encodes mono samples at 16 kHz."""

    def encode(self, samples: NDArray[np.float32]) -> musicnn.AudioEncoding:
        """Embedding and tag probabilities of one recording, `samples` of shape (n_samples,)."""


class TextEncoder(Protocol):
    """Encodes texts."""

    def encode(self, text: str) -> NDArray[np.float32]:
        """Embedding of one text, shape (dim,)."""


class ImageEncoder(Protocol):
    """Encodes image files."""

    def encode(self, content: bytes) -> NDArray[np.float32]:
        """Embedding of one image file, shape (dim,)."""


@dataclass(frozen=True, slots=True)
class RegisteredEncoder(Generic[EncoderT]):
    """How to identify and to load an encoder."""

    identity: Callable[[EncoderSettings], EncoderIdentity]
    load: Callable[[], EncoderT]


class UnknownEncoder(ValueError):
    """The settings name an encoder that is not registered for this modality."""


AUDIO: Mapping[str, RegisteredEncoder[AudioEncoder]] = {
    musicnn.ENCODER_ID: RegisteredEncoder(
        lambda settings: musicnn.identity(settings.max_audio_s), musicnn.MusiCNN
    ),
}
LYRICS: Mapping[str, RegisteredEncoder[TextEncoder]] = {
    minilm.ENCODER_ID: RegisteredEncoder(lambda _: minilm.identity(), minilm.MiniLM),
}
COVER: Mapping[str, RegisteredEncoder[ImageEncoder]] = {
    efficientnet_lite.ENCODER_ID: RegisteredEncoder(
        lambda _: efficientnet_lite.identity(), efficientnet_lite.EfficientNetLite0
    ),
}


def audio_identity(settings: EncoderSettings) -> EncoderIdentity:
    """Identity of the rows of feat_audio under these settings."""
    return _registered(AUDIO, settings.audio, "audio").identity(settings)


def lyrics_identity(settings: EncoderSettings) -> EncoderIdentity:
    """Identity of the rows of feat_lyrics and feat_tags under these settings."""
    return _registered(LYRICS, settings.lyrics, "lyrics").identity(settings)


def cover_identity(settings: EncoderSettings) -> EncoderIdentity:
    """Identity of the rows of feat_cover under these settings."""
    return _registered(COVER, settings.cover, "cover").identity(settings)


@cache
def audio_encoder(encoder_id: str) -> AudioEncoder:
    """The loaded audio encoder of this process."""
    return _load(_registered(AUDIO, encoder_id, "audio"))


@cache
def text_encoder(encoder_id: str) -> TextEncoder:
    """The loaded text encoder of this process."""
    return _load(_registered(LYRICS, encoder_id, "lyrics"))


@cache
def image_encoder(encoder_id: str) -> ImageEncoder:
    """The loaded image encoder of this process."""
    return _load(_registered(COVER, encoder_id, "cover"))


def _registered(
    encoders: Mapping[str, RegisteredEncoder[EncoderT]], encoder_id: str, modality: str
) -> RegisteredEncoder[EncoderT]:
    """The encoder registered as `encoder_id`.

    Raises:
        UnknownEncoder: no encoder of this modality has this id.
    """
    if encoder_id not in encoders:
        raise UnknownEncoder(
            f"settings: encoders.{modality} = {encoder_id!r} names no encoder; there are: "
            f"{', '.join(sorted(encoders))}"
        )
    return encoders[encoder_id]


def _load(encoder: RegisteredEncoder[EncoderT]) -> EncoderT:
    """Load an encoder with one thread: Spark runs one worker per core, so more would queue."""
    import torch

    torch.set_num_threads(1)
    return encoder.load()
