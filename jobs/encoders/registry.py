"""Encoders by id, for each modality; the settings choose one (`EVENSONG_ENCODERS__AUDIO`).

`transformers:<folder>` is an id too, in each modality: a model of transformers in a local folder.

`identity` is cheap and runs where a job is planned. `load` reads the weights, once in each of
Spark's Python workers. To add an encoder, write a module with a function `identity` and a class
with a method `encode` (of audio also with `sample_rate_hz`), and register both here.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from feature_store.lake.encoder_rows import EncoderIdentity
from feature_store.setting_groups import EncoderSettings
from jobs.encoders.audio import transformer_audio
from jobs.encoders.audio.decoding import loudness, recording
from jobs.encoders.audio.descriptors import signal
from jobs.encoders.audio.encoding import AudioEncoding
from jobs.encoders.audio.musicnn import encoder as musicnn
from jobs.encoders.audio.openl3 import encoder as openl3
from jobs.encoders.audio.spectrograms import htcl_mel
from jobs.encoders.identity import with_descriptors
from jobs.encoders.image import descriptors as image_descriptors
from jobs.encoders.image import efficientnet_lite, transformer_image
from jobs.encoders.text import causal_lm, minilm, transformer_text
from jobs.encoders.text import descriptors as text_descriptors
from jobs.encoders.transformer_folder import PREFIX, ModelFolderError, model_folder
from jobs.prompts import track_attributes

EncoderT = TypeVar("EncoderT")
ResultT = TypeVar("ResultT")


class AudioEncoder(Protocol):
    """Encodes mono samples."""

    sample_rate_hz: int

    def encode(self, windows: Sequence[NDArray[np.float32]]) -> AudioEncoding:
        """Encoding of the windows of one recording, each (n_samples,) at `sample_rate_hz`."""


class TextEncoder(Protocol):
    """Encodes texts."""

    def encode(self, text: str) -> NDArray[np.float32]:
        """Embedding of one text, shape (dim,)."""


class AnswerModel(Protocol):
    """Answers prompts."""

    def answer(self, prompt: str) -> str:
        """Answer to one prompt."""


class ImageEncoder(Protocol):
    """Encodes decoded images."""

    def encode(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embedding of one image in RGB, shape (height, width, 3), as a vector (dim,)."""


@dataclass(frozen=True, slots=True)
class RegisteredEncoder(Generic[EncoderT]):
    """How to identify and to load an encoder.

    Attributes:
        identity: of its rows.
        load: reads the weights.
        check: raises what `identity` would raise, without the hash of gigabytes of weights; None
            where `identity` itself is quick.
    """

    identity: Callable[[EncoderSettings], EncoderIdentity]
    load: Callable[[EncoderSettings], EncoderT]
    check: Callable[[EncoderSettings], object] | None = None


class EncoderDiffers(RuntimeError):
    """A machine has another version of the encoder than the one that the job was planned with."""


class UnknownEncoder(ValueError):
    """The settings name an encoder that is not registered for this modality."""


@dataclass(frozen=True, slots=True)
class Modality(Generic[EncoderT]):
    """The encoders of one modality.

    Attributes:
        name: as in the settings.
        registered: encoders by id.
        needed: patterns of which a folder has one file, besides configuration and weights.
        in_folder: the encoder of `transformers:<folder>`, from this id and the folder.
    """

    name: str
    registered: Mapping[str, RegisteredEncoder[EncoderT]]
    needed: Sequence[str]
    in_folder: Callable[[str, Path], RegisteredEncoder[EncoderT]]

    def encoder(self, encoder_id: str) -> RegisteredEncoder[EncoderT]:
        """The encoder with this id.

        Raises:
            UnknownEncoder: no encoder of this modality has this id.
            ModelFolderError: the folder that it names holds no model.
        """
        if encoder_id.startswith(PREFIX):
            return self._in_folder(encoder_id)
        if encoder_id not in self.registered:
            raise UnknownEncoder(
                f"settings: encoders.{self.name} = {encoder_id!r} names no encoder; there are: "
                + ", ".join([*sorted(self.registered), f"{PREFIX}FOLDER"])
                + ", a model of transformers in a local folder"
            )
        return self.registered[encoder_id]

    def _in_folder(self, encoder_id: str) -> RegisteredEncoder[EncoderT]:
        """The encoder of a folder, whose faults name the setting."""
        setting = f"settings: encoders.{self.name} = {encoder_id!r}"
        with _faults_of(setting):
            found = self.in_folder(encoder_id, model_folder(encoder_id, self.needed))
        check = found.check or found.identity
        return RegisteredEncoder(
            _with_setting(setting, found.identity),
            _with_setting(setting, found.load),
            _with_setting(setting, check),
        )


def _with_setting(
    setting: str, call: Callable[[EncoderSettings], ResultT]
) -> Callable[[EncoderSettings], ResultT]:
    """The call, with the setting in its faults."""

    def checked(settings: EncoderSettings) -> ResultT:
        with _faults_of(setting):
            return call(settings)

    return checked


@contextmanager
def _faults_of(setting: str) -> Iterator[None]:
    """Say of a fault of a folder in the block which setting names the folder.

    Raises:
        ModelFolderError: instead of the one without the setting.
    """
    try:
        yield
    except ModelFolderError as error:
        raise ModelFolderError(f"{setting}: {error}") from error


def _text_in_folder(encoder_id: str, folder: Path) -> RegisteredEncoder[TextEncoder]:
    return RegisteredEncoder(
        lambda _: transformer_text.text_identity(encoder_id, folder),
        lambda _: transformer_text.TransformerText(folder),
        lambda _: transformer_text.preprocessing(folder),
    )


def _heard(settings: EncoderSettings) -> dict[str, object]:
    """Preprocessing of what every audio encoder hears, and of the measures in the same row."""
    return {
        "recording": recording.preprocessing(),
        "loudness": loudness.preprocessing(),
        "signal": signal.preprocessing(),
        "windows": [settings.max_audio_s, settings.audio_windows],
    }


def _openl3(encoder_id: str) -> RegisteredEncoder[AudioEncoder]:
    return RegisteredEncoder(
        lambda settings: openl3.identity(encoder_id, settings, _heard(settings)),
        lambda settings: openl3.OpenL3(encoder_id, settings),
    )


AUDIO: Modality[AudioEncoder] = Modality(
    "audio",
    {
        musicnn.ENCODER_ID: RegisteredEncoder(
            lambda settings: musicnn.identity(_heard(settings)), lambda _: musicnn.MusiCNN()
        ),
        **{encoder_id: _openl3(encoder_id) for encoder_id in openl3.VARIANTS},
    },
    transformer_audio.EXTRACTOR_FILES,
    lambda encoder_id, folder: RegisteredEncoder(
        lambda settings: transformer_audio.audio_identity(encoder_id, folder, _heard(settings)),
        lambda _: transformer_audio.TransformerAudio(folder),
        lambda _: transformer_audio.sample_rate_hz(folder),
    ),
)
LYRICS: Modality[TextEncoder] = Modality(
    "lyrics",
    {
        # Its folder is looked up when it is needed: it may have to be installed first.
        minilm.ENCODER_ID: RegisteredEncoder(
            lambda settings: _text_in_folder(minilm.ENCODER_ID, minilm.folder()).identity(settings),
            lambda settings: _text_in_folder(minilm.ENCODER_ID, minilm.folder()).load(settings),
        ),
    },
    transformer_text.TOKENIZER_FILES,
    _text_in_folder,
)
COVER: Modality[ImageEncoder] = Modality(
    "cover",
    {
        efficientnet_lite.ENCODER_ID: RegisteredEncoder(
            lambda _: efficientnet_lite.identity(), lambda _: efficientnet_lite.EfficientNetLite0()
        ),
    },
    transformer_image.PROCESSOR_FILES,
    lambda encoder_id, folder: RegisteredEncoder(
        lambda _: transformer_image.image_identity(encoder_id, folder),
        lambda _: transformer_image.TransformerImage(folder),
        lambda _: transformer_image.preprocessing(),
    ),
)
SEMANTICS: Modality[AnswerModel] = Modality(
    "semantics",
    {},
    transformer_text.TOKENIZER_FILES,
    lambda encoder_id, folder: RegisteredEncoder(
        lambda _: causal_lm.answer_identity(encoder_id, folder, track_attributes.preprocessing()),
        lambda _: causal_lm.CausalLM(folder, track_attributes.prompt_of("{}")),
        lambda _: causal_lm.window_tokens(folder),
    ),
)

MODALITIES: Mapping[str, Modality[Any]] = {
    modality.name: modality for modality in (AUDIO, LYRICS, COVER, SEMANTICS)
}
"""By name, as in the settings; encoders of different modalities have no method in common."""


def setting_fault(modality: str, settings: EncoderSettings) -> str:
    """Why a night would refuse the encoder that the settings name; "" when it would not.

    The fault is found without loading the weights. MusiCNN's may be fetched, as for a night.

    Args:
        modality: audio, lyrics, cover or semantics.
        settings: name the encoder; no language model needs to be named.

    Raises:
        ModuleNotFoundError: a package that this encoder needs is not installed.
    """
    encoder_id = getattr(settings, modality)
    if modality == SEMANTICS.name and not encoder_id:
        return ""
    try:
        encoder = MODALITIES[modality].encoder(encoder_id)
        (encoder.check or encoder.identity)(settings)
    except (ValueError, OSError) as error:
        return str(error)
    return ""


def audio_identity(settings: EncoderSettings) -> EncoderIdentity:
    """Identity of the rows of feat_audio under these settings."""
    return AUDIO.encoder(settings.audio).identity(settings)


def mel_identity(settings: EncoderSettings) -> EncoderIdentity | None:
    """Identity of the rows of feat_mel; None when these settings want none."""
    return htcl_mel.identity() if settings.audio_mel else None


def lyrics_identity(settings: EncoderSettings) -> EncoderIdentity:
    """Identity of the rows of feat_lyrics under these settings, descriptors included."""
    return with_descriptors(tags_identity(settings), text_descriptors.preprocessing())


def tags_identity(settings: EncoderSettings) -> EncoderIdentity:
    """Identity of the rows of feat_tags, which have no descriptors, under these settings."""
    return LYRICS.encoder(settings.lyrics).identity(settings)


def cover_identity(settings: EncoderSettings) -> EncoderIdentity:
    """Identity of the rows of feat_cover under these settings, descriptors included."""
    encoder = COVER.encoder(settings.cover).identity(settings)
    return with_descriptors(encoder, image_descriptors.preprocessing())


def semantics_identity(settings: EncoderSettings) -> EncoderIdentity | None:
    """Identity of the rows of feat_semantics under these settings; None when they name no model."""
    if not settings.semantics:
        return None
    return SEMANTICS.encoder(settings.semantics).identity(settings)


@cache
def audio_encoder(settings: EncoderSettings, identity: EncoderIdentity) -> AudioEncoder:
    """The audio encoder of this process; it must be the one that the job was planned with."""
    return _load(AUDIO.encoder(settings.audio), settings, audio_identity(settings), identity)


@cache
def text_encoder(settings: EncoderSettings, identity: EncoderIdentity) -> TextEncoder:
    """The encoder of lyrics of this process; it must be the one that the job was planned with."""
    return _load(LYRICS.encoder(settings.lyrics), settings, lyrics_identity(settings), identity)


@cache
def tag_encoder(settings: EncoderSettings, identity: EncoderIdentity) -> TextEncoder:
    """The encoder of tags of this process; it must be the one that the job was planned with."""
    return _load(LYRICS.encoder(settings.lyrics), settings, tags_identity(settings), identity)


@cache
def image_encoder(settings: EncoderSettings, identity: EncoderIdentity) -> ImageEncoder:
    """The image encoder of this process; it must be the one that the job was planned with."""
    return _load(COVER.encoder(settings.cover), settings, cover_identity(settings), identity)


@cache
def answer_model(settings: EncoderSettings, identity: EncoderIdentity) -> AnswerModel:
    """The language model of this process; it must be the one that the job was planned with."""
    model = SEMANTICS.encoder(settings.semantics)
    return _load(model, settings, model.identity(settings), identity)


def _load(
    encoder: RegisteredEncoder[EncoderT],
    settings: EncoderSettings,
    found: EncoderIdentity,
    identity: EncoderIdentity,
) -> EncoderT:
    """Load an encoder with one thread: Spark runs one worker per core, so more would queue.

    Args:
        encoder: the one that the settings name.
        settings: what its `load` takes.
        found: the identity of its rows on this machine.
        identity: that of the rows that the job was planned with.

    Raises:
        EncoderDiffers: the two differ, by weights, preprocessing or descriptors.
    """
    import torch

    if found != identity:
        raise EncoderDiffers(
            f"encoder {identity.encoder_id}: on {platform.node()} it has weights "
            f"{found.weights_sha256[:12]} and preprocessing {found.preprocessing_id[:12]}, the job "
            f"was planned with {identity.weights_sha256[:12]} and "
            f"{identity.preprocessing_id[:12]}; install the same packages and models on every "
            "machine of Spark"
        )
    torch.set_num_threads(1)
    return encoder.load(settings)
