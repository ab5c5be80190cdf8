"""Encoders by id, one table per kind of content. Another encoder is one more entry.

`identity` is cheap and runs where a job is planned; `load` reads the weights and runs in Spark's
Python workers, once in each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from feature_store.settings import Encoders
from jobs.encoders.audio import musicnn
from jobs.encoders.identity import Identity
from jobs.encoders.image import efficientnet_lite
from jobs.encoders.text import minilm

Loaded = TypeVar("Loaded")


class MusicEncoder(Protocol):
    """Hears mono samples at 16 kHz, shape (n_samples,)."""

    def encode(self, samples: NDArray[np.float32]) -> musicnn.Music:
        """Embedding and tag probabilities of one recording."""


class TextEncoder(Protocol):
    """Reads one text."""

    def encode(self, text: str) -> NDArray[np.float32]:
        """Embedding of one text, shape (dim,)."""


class PictureEncoder(Protocol):
    """Sees one picture."""

    def encode(self, content: bytes) -> NDArray[np.float32]:
        """Embedding of one picture file, shape (dim,)."""


@dataclass(frozen=True, slots=True)
class Entry(Generic[Loaded]):
    """An encoder that can be chosen by its id."""

    identity: Callable[[Encoders], Identity]
    load: Callable[[], Loaded]


class UnknownEncoder(ValueError):
    """The settings name an encoder that is not registered for this kind of content."""


AUDIO: Mapping[str, Entry[MusicEncoder]] = {
    musicnn.ENCODER_ID: Entry(
        lambda settings: musicnn.identity(settings.max_audio_s), musicnn.MusiCNN
    ),
}
LYRICS: Mapping[str, Entry[TextEncoder]] = {
    minilm.ENCODER_ID: Entry(lambda _: minilm.identity(), minilm.MiniLM),
}
COVER: Mapping[str, Entry[PictureEncoder]] = {
    efficientnet_lite.ENCODER_ID: Entry(
        lambda _: efficientnet_lite.identity(), efficientnet_lite.EfficientNetLite0
    ),
}


def audio_identity(settings: Encoders) -> Identity:
    """Identity of the rows of feat_audio that these settings make and read."""
    return chosen(AUDIO, settings.audio, "audio").identity(settings)


def lyrics_identity(settings: Encoders) -> Identity:
    """Identity of the rows of feat_lyrics and feat_tags that these settings make and read."""
    return chosen(LYRICS, settings.lyrics, "lyrics").identity(settings)


def cover_identity(settings: Encoders) -> Identity:
    """Identity of the rows of feat_cover that these settings make and read."""
    return chosen(COVER, settings.cover, "cover").identity(settings)


@cache
def music_encoder(encoder_id: str) -> MusicEncoder:
    """The loaded music encoder of this process."""
    return _load(chosen(AUDIO, encoder_id, "audio"))


@cache
def text_encoder(encoder_id: str) -> TextEncoder:
    """The loaded text encoder of this process."""
    return _load(chosen(LYRICS, encoder_id, "lyrics"))


@cache
def picture_encoder(encoder_id: str) -> PictureEncoder:
    """The loaded picture encoder of this process."""
    return _load(chosen(COVER, encoder_id, "cover"))


def chosen(entries: Mapping[str, Entry[Loaded]], encoder_id: str, kind: str) -> Entry[Loaded]:
    """The entry of that id.

    Raises:
        UnknownEncoder: nothing of that id is registered for this kind of content.
    """
    if encoder_id not in entries:
        raise UnknownEncoder(
            f"settings: encoders.{kind} = {encoder_id!r} names no encoder; there are: "
            f"{', '.join(sorted(entries))}"
        )
    return entries[encoder_id]


def _load(entry: Entry[Loaded]) -> Loaded:
    """Load an encoder for one thread: Spark runs a worker on each core, more would only queue."""
    import torch

    torch.set_num_threads(1)
    return entry.load()
