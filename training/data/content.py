"""What tracks are made of: an embedding per modality, valence and arousal, and who has which.

Presence comes from the tables, never from the look of a vector: a track without lyrics has no row,
    and an unreadable file has a row with a reason and no vector. Neither is ever filled in.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import torch

from feature_store.arrow_io import read_table
from feature_store.contract import Table
from feature_store.tables.core import CORE_TRACKS
from feature_store.tables.features import FEAT_AUDIO, FEAT_COVER, FEAT_LYRICS, FEAT_TRACK_EMOTION

if TYPE_CHECKING:
    from datetime import date

    from numpy.typing import NDArray
    from torch import Tensor

    from training.data.nodes import IdList


@dataclass(frozen=True, slots=True)
class Source:
    """Where a modality's features and hashes stand."""

    table: Table
    hash_column: str
    embedding_column: str


MODALITIES = {
    "audio": Source(FEAT_AUDIO, "audio_hash", "audio_embedding"),
    "lyrics": Source(FEAT_LYRICS, "lyrics_hash", "lyrics_embedding"),
    "cover": Source(FEAT_COVER, "cover_hash", "cover_embedding"),
}

FEATURES_READ = (*(source.table for source in MODALITIES.values()), FEAT_TRACK_EMOTION)

_ENCODER_COLUMNS = ("encoder_id", "weights_sha256", "preprocessing_id")


class EncoderChangedError(ValueError):
    """A model meets features of another encoder than it learned from."""


@dataclass(frozen=True, slots=True, eq=False)
class Modality:
    """One modality of every track.

    Attributes:
        encoder: encoder, weights and preprocessing that made the vectors; empty when no track has
            any.
        embedding: shape (n_tracks, dim); rows outside `has` mean nothing and nobody may read them.
        has: shape (n_tracks,) bool.
        emotion: valence and arousal by this source, each in [-1, 1], shape (n_tracks, 2).
        has_emotion: shape (n_tracks,) bool.
    """

    encoder: str
    embedding: Tensor
    has: Tensor
    emotion: Tensor
    has_emotion: Tensor

    def without(self, tracks: Tensor) -> Modality:
        """The same, but the tracks at these positions lack it."""
        lacks = torch.zeros_like(self.has)
        lacks[tracks] = True
        return Modality(
            self.encoder, self.embedding, self.has & ~lacks, self.emotion, self.has_emotion & ~lacks
        )


Content = dict[str, Modality]
"""Modalities by name, in the order of MODALITIES."""


@dataclass(frozen=True, slots=True)
class ModalityShape:
    """What a model must find again of a modality: its encoder and its width."""

    encoder: str
    dim: int


def shapes_of(content: Content) -> dict[str, ModalityShape]:
    """Encoder and width of each modality."""
    return {
        name: ModalityShape(modality.encoder, modality.embedding.shape[1])
        for name, modality in content.items()
    }


def fit_to_shapes(content: Content, shapes: dict[str, ModalityShape]) -> Content:
    """Exactly the modalities that a model learned from; one that no track has any more is empty.

    They stand in the order of `content`, as they did when the model learned: heads have their
    weights by place, and a file has shapes in the order of the alphabet.

    Raises:
        EncoderChangedError: the vectors come from another encoder.
    """
    fitted: Content = {}
    for name, modality in content.items():
        if name not in shapes:
            continue
        shape = shapes[name]
        if not bool(modality.has.any()):
            fitted[name] = absent(len(modality.has), shape)
        elif modality.encoder == shape.encoder:
            fitted[name] = modality
        else:
            raise EncoderChangedError(
                f"{MODALITIES[name].table.name}: vectors by {modality.encoder}, the model learned "
                f"from {shape.encoder}; "
                "train anew (--retrain always)"
            )
    return fitted


def absent(n_tracks: int, shape: ModalityShape) -> Modality:
    """A modality that no track has."""
    nobody = torch.zeros(n_tracks, dtype=torch.bool)
    return Modality(
        shape.encoder, torch.zeros(n_tracks, shape.dim), nobody, torch.zeros(n_tracks, 2), nobody
    )


def read_content(lake: str, as_of: date, tracks: IdList) -> Content:
    """Every modality as of a day, rows in the order of `tracks`."""
    catalogue = read_table(lake, CORE_TRACKS, as_of=as_of)
    emotions = read_table(lake, FEAT_TRACK_EMOTION, as_of=as_of)
    return {name: _read_modality(lake, name, catalogue, emotions, tracks) for name in MODALITIES}


def _read_modality(
    lake: str, name: str, catalogue: pa.Table, emotions: pa.Table, tracks: IdList
) -> Modality:
    """Vectors of one modality, looked up by the hash of each track's content."""
    source = MODALITIES[name]
    hashes = dict(
        zip(
            catalogue["track_id"].to_pylist(),
            catalogue[source.hash_column].to_pylist(),
            strict=True,
        )
    )
    wanted = [hashes.get(str(track)) for track in tracks.ids]
    encoder, vectors = _vectors(read_table(lake, source.table), source, set(wanted))
    has = torch.tensor([content_hash in vectors for content_hash in wanted], dtype=torch.bool)
    dim = len(next(iter(vectors.values()))) if vectors else 0
    embedding = torch.zeros(len(wanted), dim)
    for row, content_hash in enumerate(wanted):
        if content_hash in vectors:
            embedding[row] = torch.from_numpy(vectors[content_hash].copy())
    emotion, has_emotion = _read_emotion(emotions, name, tracks)
    return Modality(encoder, embedding, has, emotion, has_emotion & has)


def _vectors(
    features: pa.Table, source: Source, wanted: set[str | None]
) -> tuple[str, dict[str | None, NDArray[np.float32]]]:
    """Vectors by content hash, of one encoder.

    While an encoder is being replaced, both have rows: the one that covers most of the wanted
        content is taken, and of two that cover as much the greater name, so that vectors of two
        encoders are never mixed.
    """
    is_wanted = [content_hash in wanted for content_hash in features["content_hash"].to_pylist()]
    found = features.filter(pa.array(is_wanted, pa.bool_()))
    found = found.filter(found[source.embedding_column].is_valid())
    names = [
        "/".join(part)
        for part in zip(*(found[column].to_pylist() for column in _ENCODER_COLUMNS), strict=True)
    ]
    if not names:
        return "", {}
    covered = Counter(names)
    encoder = max(covered, key=lambda name: (covered[name], name))
    by_encoder = found.filter(pa.array([name == encoder for name in names]))
    vectors = by_encoder[source.embedding_column].to_numpy()
    return encoder, dict(zip(by_encoder["content_hash"].to_pylist(), vectors, strict=True))


def _read_emotion(emotions: pa.Table, source: str, tracks: IdList) -> tuple[Tensor, Tensor]:
    """Valence and arousal by one source, shape (n_tracks, 2), and who has them."""
    emotion = torch.zeros(len(tracks), 2)
    has_emotion = torch.zeros(len(tracks), dtype=torch.bool)
    rows = [row for row in emotions.to_pylist() if row["emotion_source"] == source]
    if rows:
        places = tracks.positions((row["track_id"] for row in rows), FEAT_TRACK_EMOTION.name)
        emotion[places] = torch.tensor([[row["valence"], row["arousal"]] for row in rows]).float()
        has_emotion[places] = True
    return emotion, has_emotion
