"""What tracks are made of: an embedding per modality, valence and arousal, and who has which.

Audio, lyrics and cover are read here; tags, which depend on the split, are made in tags.py.

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

from feature_store.contract import Table
from feature_store.lake.arrow_io import read_table
from feature_store.tables.core import CORE_TRACKS
from feature_store.tables.features import (
    FEAT_AUDIO,
    FEAT_COVER,
    FEAT_LYRICS,
    FEAT_TAGS,
    FEAT_TRACK_EMOTION,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

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

TAGS = "tags"
"""The modality that no content hash leads to: its vectors follow from who gave which tag."""

TABLE_OF = {name: source.table for name, source in MODALITIES.items()} | {TAGS: FEAT_TAGS}
"""Where the vectors of each modality come from."""

FEATURES_READ = (*TABLE_OF.values(), FEAT_TRACK_EMOTION)

_ENCODER_COLUMNS = ("encoder_id", "weights_sha256", "preprocessing_id")


class EncoderChangedError(ValueError):
    """A model meets features of another encoder than it learned from."""


@dataclass(frozen=True, slots=True, eq=False)
class Vectors:
    """Vectors of one encoder.

    Attributes:
        encoder: encoder, weights and preprocessing that made them; empty when there is none.
        embedding: shape (n, dim); rows outside `has` mean nothing and nobody may read them.
        has: shape (n,) bool.
    """

    encoder: str
    embedding: Tensor
    has: Tensor


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
"""Modalities by name, in the order of TABLE_OF."""


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
                f"{TABLE_OF[name].name}: vectors by {modality.encoder}, the model learned "
                f"from {shape.encoder}; "
                "train anew (--retrain always)"
            )
    return fitted


def absent(n_tracks: int, shape: ModalityShape) -> Modality:
    """A modality that no track has."""
    nobody = torch.zeros(n_tracks, dtype=torch.bool)
    return without_emotion(Vectors(shape.encoder, torch.zeros(n_tracks, shape.dim), nobody))


def without_emotion(vectors: Vectors) -> Modality:
    """A modality that tells nothing of valence and arousal."""
    n_tracks = len(vectors.has)
    nobody = torch.zeros(n_tracks, dtype=torch.bool)
    return Modality(
        vectors.encoder, vectors.embedding, vectors.has, torch.zeros(n_tracks, 2), nobody
    )


def read_content(lake: str, as_of: date, tracks: IdList) -> Content:
    """Every modality but tags as of a day, rows in the order of `tracks`."""
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
    features = read_table(lake, source.table)
    found = looked_up(features, "content_hash", source.embedding_column, wanted)
    emotion, has_emotion = _read_emotion(emotions, name, tracks)
    return Modality(found.encoder, found.embedding, found.has, emotion, has_emotion & found.has)


def looked_up(
    features: pa.Table, key_column: str, embedding_column: str, wanted: Sequence[str | None]
) -> Vectors:
    """The vector of each wanted key, all of one encoder; None and what has no vector is left out.

    While an encoder is being replaced, both have rows: the one that covers most of the wanted
    keys is taken, and of two that cover as much the greater name, so that vectors of two encoders
    are never mixed.
    """
    asked = set(wanted)
    is_asked = [key in asked for key in features[key_column].to_pylist()]
    found = features.filter(pa.array(is_asked, pa.bool_()))
    found = found.filter(found[embedding_column].is_valid())
    names = [
        "/".join(part)
        for part in zip(*(found[column].to_pylist() for column in _ENCODER_COLUMNS), strict=True)
    ]
    if not names:
        return Vectors("", torch.zeros(len(wanted), 0), torch.zeros(len(wanted), dtype=torch.bool))
    covered = Counter(names)
    encoder = max(covered, key=lambda name: (covered[name], name))
    found = found.filter(pa.array([name == encoder for name in names]))
    matrix = torch.from_numpy(np.stack(found[embedding_column].to_numpy()))  # (n_found, dim)
    row_of = {key: row for row, key in enumerate(found[key_column].to_pylist())}
    has = torch.tensor([key in row_of for key in wanted], dtype=torch.bool)
    embedding = torch.zeros(len(wanted), matrix.shape[1])
    embedding[has] = matrix[[row_of[key] for key in wanted if key in row_of]]
    return Vectors(encoder, embedding, has)


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
