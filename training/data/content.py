"""Content of tracks: an embedding, valence and arousal per modality, and which tracks have them.

Audio, lyrics and cover are read here; tags, which depend on the split, are made in tags.py.

Presence comes from the tables, never from the look of a vector: a track without lyrics has no row,
    and an unreadable file has a row with a reason and no vector. Neither is ever filled in.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import torch

from feature_store.contract import Table
from feature_store.lake.arrow_io import exists, read_table
from feature_store.lake.encoder_rows import IDENTITY_COLUMNS, EncoderIdentity, identity_of
from feature_store.tables.core import CORE_TRACKS
from feature_store.tables.features import (
    FEAT_AUDIO,
    FEAT_COVER,
    FEAT_ENCODERS,
    FEAT_LYRICS,
    FEAT_TAGS,
    FEAT_TRACK_EMOTION,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
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

FEATURES_READ = (FEAT_ENCODERS, *TABLE_OF.values(), FEAT_TRACK_EMOTION)


class EncoderUnknownError(ValueError):
    """The night does not say which encoder's rows it reads from a feature table."""


class EncoderChangedError(ValueError):
    """The features come from another encoder than the one that the model was trained on."""


@dataclass(frozen=True, slots=True, eq=False)
class Vectors:
    """Vectors of one encoder.

    Attributes:
        encoder: encoder, weights and preprocessing that made them; empty when there is none.
        embedding: shape (n, dim); rows outside `has` are undefined.
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
        embedding: shape (n_tracks, dim); rows outside `has` are undefined.
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
    """Encoder and width of a modality, which must not change between training and scoring."""

    encoder: str
    dim: int


def shapes_of(content: Content) -> dict[str, ModalityShape]:
    """Encoder and width of each modality."""
    return {
        name: ModalityShape(modality.encoder, modality.embedding.shape[1])
        for name, modality in content.items()
    }


def fit_to_shapes(content: Content, shapes: dict[str, ModalityShape]) -> Content:
    """Exactly the modalities that a model was trained on; one that no track has any more is empty.

    Their order is that of `content`, as in training: the ensemble weights go by index, and a
    checkpoint has shapes in alphabetical order.

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
                f"{TABLE_OF[name].name}: vectors by {modality.encoder}, the model was "
                f"trained on {shape.encoder}; "
                "train again (--retrain always)"
            )
    return fitted


def absent(n_tracks: int, shape: ModalityShape) -> Modality:
    """A modality that no track has."""
    none = torch.zeros(n_tracks, dtype=torch.bool)
    return without_emotion(Vectors(shape.encoder, torch.zeros(n_tracks, shape.dim), none))


def without_emotion(vectors: Vectors) -> Modality:
    """A modality without valence and arousal."""
    n_tracks = len(vectors.has)
    none = torch.zeros(n_tracks, dtype=torch.bool)
    return Modality(vectors.encoder, vectors.embedding, vectors.has, torch.zeros(n_tracks, 2), none)


def encoders_of(
    lake: str, as_of: date, tables: Iterable[Table] = tuple(TABLE_OF.values())
) -> dict[str, str]:
    """The encoder identity that a night reads, by feature table, of those tables that have one."""
    if not exists(lake, FEAT_ENCODERS):
        return {}
    rows = _read_encoders(lake, as_of)
    found = {table.name: identity_of(rows, table) for table in tables}
    return {name: str(identity) for name, identity in found.items() if identity is not None}


def read_content(
    lake: str, as_of: date, tracks: IdList, features: Mapping[str, str] | None = None
) -> Content:
    """Every modality but tags as of a day, rows in the order of `tracks`; see read_vectors."""
    hashes = [source.hash_column for source in MODALITIES.values()]
    catalogue = read_table(lake, CORE_TRACKS, as_of=as_of, columns=["track_id", *hashes])
    estimates = ["track_id", "emotion_source", "valence", "arousal"]
    emotions = read_table(lake, FEAT_TRACK_EMOTION, as_of=as_of, columns=estimates)
    return {
        name: _read_modality(lake, as_of, name, catalogue, emotions, tracks, features)
        for name in MODALITIES
    }


def _read_modality(
    lake: str,
    as_of: date,
    name: str,
    catalogue: pa.Table,
    emotions: pa.Table,
    tracks: IdList,
    features: Mapping[str, str] | None,
) -> Modality:
    """Vectors of one modality, found by the content hash of each track."""
    source = MODALITIES[name]
    hashes = dict(
        zip(
            catalogue["track_id"].to_pylist(),
            catalogue[source.hash_column].to_pylist(),
            strict=True,
        )
    )
    keys = [hashes.get(str(track)) for track in tracks.ids]
    found = read_vectors(
        lake, as_of, source.table, "content_hash", source.embedding_column, keys, features
    )
    emotion, has_emotion = _read_emotion(emotions, name, tracks)
    return Modality(found.encoder, found.embedding, found.has, emotion, has_emotion & found.has)


def read_vectors(
    lake: str,
    as_of: date,
    table: Table,
    key_column: str,
    embedding_column: str,
    keys: Sequence[str | None],
    features: Mapping[str, str] | None = None,
) -> Vectors:
    """The vector of each key, by the encoder that the night reads, or by another one.

    Args:
        lake: where the tables are.
        as_of: the night, whose slice of feat_encoders names the encoder.
        table: a feature table.
        key_column: the column that `keys` are values of.
        embedding_column: the column that holds the vectors.
        keys: one per row of the result; None and a key without a vector have none.
        features: encoder identities to read instead of the night's own, by feature table: those
            that an older model learned from.

    Raises:
        EncoderUnknownError: the night has such content and feat_encoders names no encoder for it.
    """
    identity = _identity(lake, as_of, table, features)
    if identity is None:
        if all(key is None for key in keys):
            return _no_vectors(len(keys))
        raise EncoderUnknownError(
            f"{FEAT_ENCODERS.name}: the slice of {as_of} names no encoder for {table.name}, which "
            f"tracks have content for; clear the task {FEAT_ENCODERS.name} of that date"
        )
    rows = read_table(
        lake,
        table,
        columns=[key_column, embedding_column],
        where=asdict(identity),
        in_key_order=False,
    )
    requested = set(keys)
    is_requested = [key in requested for key in rows[key_column].to_pylist()]
    found = rows.filter(pa.array(is_requested, pa.bool_()))
    found = found.filter(found[embedding_column].is_valid())
    if not found.num_rows:
        return _no_vectors(len(keys))
    matrix = torch.from_numpy(np.stack(found[embedding_column].to_numpy()))  # (n_found, dim)
    row_of = {key: row for row, key in enumerate(found[key_column].to_pylist())}
    has = torch.tensor([key in row_of for key in keys], dtype=torch.bool)
    embedding = torch.zeros(len(keys), matrix.shape[1])
    embedding[has] = matrix[[row_of[key] for key in keys if key in row_of]]
    return Vectors(str(identity), embedding, has)


def _no_vectors(n_keys: int) -> Vectors:
    return Vectors("", torch.zeros(n_keys, 0), torch.zeros(n_keys, dtype=torch.bool))


def _identity(
    lake: str, as_of: date, table: Table, features: Mapping[str, str] | None
) -> EncoderIdentity | None:
    """The encoder whose rows of a feature table are read."""
    if features is not None and table.name in features:
        return EncoderIdentity.parse(features[table.name])
    return identity_of(_read_encoders(lake, as_of), table)


def _read_encoders(lake: str, as_of: date) -> pa.Table:
    columns = ["feature_table", *IDENTITY_COLUMNS]
    return read_table(lake, FEAT_ENCODERS, as_of=as_of, columns=columns)


def _read_emotion(emotions: pa.Table, source: str, tracks: IdList) -> tuple[Tensor, Tensor]:
    """Valence and arousal by one source, shape (n_tracks, 2), and which tracks have them."""
    emotion = torch.zeros(len(tracks), 2)
    has_emotion = torch.zeros(len(tracks), dtype=torch.bool)
    rows = [row for row in emotions.to_pylist() if row["emotion_source"] == source]
    if rows:
        positions = tracks.positions((row["track_id"] for row in rows), FEAT_TRACK_EMOTION.name)
        emotion[positions] = torch.tensor(
            [[row["valence"], row["arousal"]] for row in rows]
        ).float()
        has_emotion[positions] = True
    return emotion, has_emotion
