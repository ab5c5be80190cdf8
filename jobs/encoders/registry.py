"""Encoders by id, one mapping per modality; the settings choose one (`EVENSONG_ENCODERS__AUDIO`).

`transformers:<folder>` is an id too, in each modality: a model of transformers in a local folder.

`identity` is cheap and runs where a job is planned. `load` reads the weights, once in each of
Spark's Python workers. To add an encoder, write a module with a function `identity` and a class
with a method `encode` (of audio also with `sample_rate_hz`), and register both here.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from feature_store.lake.encoder_rows import EncoderIdentity
from feature_store.setting_groups import EncoderSettings
from jobs.encoders.audio import musicnn, transformer_audio
from jobs.encoders.audio.encoding import AudioEncoding
from jobs.encoders.image import efficientnet_lite, transformer_image
from jobs.encoders.text import minilm, transformer_text
from jobs.encoders.transformer_folder import PREFIX, model_folder

EncoderT = TypeVar("EncoderT")


class AudioEncoder(Protocol):
    """Encodes mono samples."""

    sample_rate_hz: int

    def encode(self, samples: NDArray[np.float32]) -> AudioEncoding:
        """Encoding of one recording, `samples` of shape (n_samples,) at `sample_rate_hz`."""


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


class EncoderDiffers(RuntimeError):
    """A machine has another version of the encoder than the one that the job was planned with."""


class UnknownEncoder(ValueError):
    """The settings name an encoder that is not registered for this modality."""


AUDIO: Mapping[str, RegisteredEncoder[AudioEncoder]] = {
    musicnn.ENCODER_ID: RegisteredEncoder(
        lambda settings: musicnn.identity(settings.max_audio_s), musicnn.MusiCNN
    ),
}
LYRICS: Mapping[str, RegisteredEncoder[TextEncoder]] = {
    minilm.ENCODER_ID: RegisteredEncoder(
        lambda _: transformer_text.text_identity(minilm.ENCODER_ID, minilm.folder()),
        lambda: transformer_text.TransformerText(minilm.folder()),
    ),
}
COVER: Mapping[str, RegisteredEncoder[ImageEncoder]] = {
    efficientnet_lite.ENCODER_ID: RegisteredEncoder(
        lambda _: efficientnet_lite.identity(), efficientnet_lite.EfficientNetLite0
    ),
}


def audio_identity(settings: EncoderSettings) -> EncoderIdentity:
    """Identity of the rows of feat_audio under these settings."""
    return _audio(settings.audio).identity(settings)


def lyrics_identity(settings: EncoderSettings) -> EncoderIdentity:
    """Identity of the rows of feat_lyrics and feat_tags under these settings."""
    return _lyrics(settings.lyrics).identity(settings)


def cover_identity(settings: EncoderSettings) -> EncoderIdentity:
    """Identity of the rows of feat_cover under these settings."""
    return _cover(settings.cover).identity(settings)


@cache
def audio_encoder(settings: EncoderSettings, identity: EncoderIdentity) -> AudioEncoder:
    """The audio encoder of this process; it must be the one that the job was planned with."""
    return _load(_audio(settings.audio), settings, identity)


@cache
def text_encoder(settings: EncoderSettings, identity: EncoderIdentity) -> TextEncoder:
    """The text encoder of this process; it must be the one that the job was planned with."""
    return _load(_lyrics(settings.lyrics), settings, identity)


@cache
def image_encoder(settings: EncoderSettings, identity: EncoderIdentity) -> ImageEncoder:
    """The image encoder of this process; it must be the one that the job was planned with."""
    return _load(_cover(settings.cover), settings, identity)


def _audio(encoder_id: str) -> RegisteredEncoder[AudioEncoder]:
    if not encoder_id.startswith(PREFIX):
        return _registered(AUDIO, encoder_id, "audio")
    folder = model_folder(encoder_id, transformer_audio.EXTRACTOR_FILES)
    return RegisteredEncoder(
        lambda settings: transformer_audio.audio_identity(encoder_id, folder, settings.max_audio_s),
        lambda: transformer_audio.TransformerAudio(folder),
    )


def _lyrics(encoder_id: str) -> RegisteredEncoder[TextEncoder]:
    if not encoder_id.startswith(PREFIX):
        return _registered(LYRICS, encoder_id, "lyrics")
    folder = model_folder(encoder_id, transformer_text.TOKENIZER_FILES)
    return RegisteredEncoder(
        lambda _: transformer_text.text_identity(encoder_id, folder),
        lambda: transformer_text.TransformerText(folder),
    )


def _cover(encoder_id: str) -> RegisteredEncoder[ImageEncoder]:
    if not encoder_id.startswith(PREFIX):
        return _registered(COVER, encoder_id, "cover")
    folder = model_folder(encoder_id, transformer_image.PROCESSOR_FILES)
    return RegisteredEncoder(
        lambda _: transformer_image.image_identity(encoder_id, folder),
        lambda: transformer_image.TransformerImage(folder),
    )


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
            f"{', '.join(sorted(encoders))}, and {PREFIX}FOLDER for a model of transformers"
        )
    return encoders[encoder_id]


def _load(
    encoder: RegisteredEncoder[EncoderT], settings: EncoderSettings, identity: EncoderIdentity
) -> EncoderT:
    """Load an encoder with one thread: Spark runs one worker per core, so more would queue.

    Raises:
        EncoderDiffers: the weights on this machine are not those that the identity names.
    """
    import torch

    found = encoder.identity(settings)
    if found != identity:
        raise EncoderDiffers(
            f"encoder {identity.encoder_id}: on {platform.node()} it has weights "
            f"{found.weights_sha256[:12]} and preprocessing {found.preprocessing_id[:12]}, the job "
            f"was planned with {identity.weights_sha256[:12]} and "
            f"{identity.preprocessing_id[:12]}; install the same packages and models on every "
            "machine of Spark"
        )
    torch.set_num_threads(1)
    return encoder.load()
