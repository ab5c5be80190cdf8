"""Recordings, texts and pairs of tracks: what the task `audio_text` reads, and its views."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pyarrow as pa
import torch

from feature_store.lake.arrow_io import exists, read_table
from feature_store.lake.encoder_rows import EncoderIdentity
from feature_store.tables.core import CORE_TRACK_PAIRS, CORE_TRACKS
from feature_store.tables.features import FEAT_MEL, FEAT_TRACK_TEXTS
from feature_store.track_text import TextField, TextParts, compose_text
from training.data.content import TABLE_OF, encoders_of
from training.data.interactions import Pairs
from training.data.reading import TABLES_READ, read_dataset
from training.data.spectrograms import Spectrograms, open_spectrograms
from training.data.track_pairs import TrackPairs, read_track_pairs

if TYPE_CHECKING:
    from datetime import date

    from torch import Tensor

    from feature_store.contract import Table
    from feature_store.settings import Night
    from training.data.content import Content
    from training.data.dataset import Dataset
    from training.data.graph import Edges
    from training.evaluation.similarity import SimilarityHoldout

AUDIO_TEXT_READ: tuple[Table, ...] = (*TABLES_READ, FEAT_MEL, FEAT_TRACK_TEXTS, CORE_TRACK_PAIRS)
"""What `read_audio_text` reads, for the lineage of its callers."""

MAX_OF_ONE = 50
"""Tracks of an artist or an album that are to find each other."""

_FOLDER = "spectrograms"


@dataclass(frozen=True, slots=True, eq=False)
class AudioTextView:
    """What a model sees.

    Attributes:
        content: audio, lyrics and tags of each track, as the ranking sees them.
        spectrograms: of recordings.
        mel_version: the encoder identity of the spectrograms; empty without any.
        audio_rows: row of each track's spectrogram; -1 without one, shape (n_tracks,).
        texts: of each track; empty where it has none.
        copies: a number for each track, the same for tracks of one recording, shape (n_tracks,).
        is_learned: tracks that a model may learn from, shape (n_tracks,) bool.
        pairs: what listeners went on to finish, of tracks that are learned from.
        liked: pairs of a listener and a liked track, which `pairs` may be restricted to.
    """

    content: Content
    spectrograms: Spectrograms
    mel_version: str
    audio_rows: Tensor
    texts: Sequence[str]
    copies: Tensor
    is_learned: Tensor
    pairs: TrackPairs
    liked: Edges

    @property
    def n_tracks(self) -> int:
        """Tracks of the catalogue."""
        return len(self.audio_rows)

    @property
    def has_audio(self) -> Tensor:
        """Tracks with a spectrogram, shape (n_tracks,) bool."""
        return self.audio_rows >= 0

    @property
    def has_text(self) -> Tensor:
        """Tracks with a text, shape (n_tracks,) bool."""
        return torch.tensor([bool(text) for text in self.texts], dtype=torch.bool)


@dataclass(frozen=True, slots=True, eq=False)
class AudioTextData:
    """The tables of a night.

    Attributes:
        dataset: the graph, the content and what is known of each track.
        spectrograms, mel_version, audio_rows, copies: as in AudioTextView.
        audio_hashes: of each track that has a recording; None for the others.
        parts: what each track's text is made of, but for tags.
        text_fields: which of it counts.
        texts: with all tags, as feat_track_texts has them.
        pairs: all that are known.
    """

    dataset: Dataset
    spectrograms: Spectrograms
    mel_version: str
    audio_rows: Tensor
    audio_hashes: Sequence[str | None]
    parts: Sequence[TextParts]
    text_fields: tuple[TextField, ...]
    texts: Sequence[str]
    pairs: TrackPairs

    @property
    def n_tracks(self) -> int:
        """Tracks of the catalogue."""
        return self.dataset.n_tracks

    @property
    def copies(self) -> Tensor:
        """A number for each track: that of the first track with its recording, else its own."""
        first: dict[str, int] = {}
        numbers = [
            first.setdefault(name, number) if name else number
            for number, name in enumerate(self.audio_hashes)
        ]
        return torch.tensor(numbers, dtype=torch.int64)

    def full_view(self) -> AudioTextView:
        """Everything that is known as of the night."""
        view = self.dataset.full_view()
        all_tracks = torch.ones(self.n_tracks, dtype=torch.bool)
        return self._view(view.content, self.texts, all_tracks, self.pairs, view.graph.liked)

    def train_view(self, holdout: SimilarityHoldout) -> AudioTextView:
        """What was known before a holdout, less what gives it away.

        No tag counts whose givers heard the track after the cut for the first time. Nothing is
        learned of held-out artists, and nothing is known of tracks that became available later.
        """
        listens = holdout.listens
        view = self.dataset.train_view(listens)
        tagged, tagger_count = self.dataset.tags_before(listens)
        known = listens.available_mask
        composed = zip(self._texts(tagged, tagger_count), known.tolist(), strict=True)
        texts = [text if is_known else "" for text, is_known in composed]
        is_learned = known & ~holdout.hidden_mask
        pairs = self.pairs.before(listens.end)
        found = self._view(view.content, texts, is_learned, pairs, view.graph.liked)
        return replace(found, audio_rows=torch.where(known, self.audio_rows, -1))

    def sha256(self) -> str:
        """Hash of all that training reads; equal data of another day have the same hash."""
        digest = hashlib.sha256(f"{self.dataset.sha256()} {self.mel_version}".encode())
        digest.update("\0".join((*self.text_fields, *self.texts)).encode())
        digest.update("\0".join(name or "" for name in self.audio_hashes).encode())
        pairs, has_audio = self.pairs, self.audio_rows >= 0
        for tensor in (pairs.users, pairs.triggers, pairs.tracks, pairs.day, has_audio):
            digest.update(tensor.contiguous().numpy().tobytes() + b"\2")
        return digest.hexdigest()

    def same_artist_or_album(self, among: Tensor) -> Pairs:
        """Pairs of two tracks of one artist or album, in both directions, each once.

        Args:
            among: which tracks count, shape (n_tracks,) bool. Of a larger artist or album the first
                MAX_OF_ONE count.
        """
        keys = [torch.zeros(0, dtype=torch.int64)]
        for edges in (self.dataset.made_by, self.dataset.on_album):
            counted = edges.where(among[edges.source])
            order = torch.argsort(counted.target, stable=True)
            _, sizes = torch.unique_consecutive(counted.target[order], return_counts=True)
            for group in counted.source[order].split(sizes.tolist()):
                first = group[:MAX_OF_ONE]
                keys.append((first[:, None] * self.n_tracks + first[None]).flatten())
        found = torch.cat(keys).unique()
        queries, tracks = found // self.n_tracks, found % self.n_tracks
        pairs = Pairs(queries, tracks, torch.ones(len(found)))
        return pairs.where(queries != tracks)

    def _view(
        self,
        content: Content,
        texts: Sequence[str],
        is_learned: Tensor,
        pairs: TrackPairs,
        liked: Edges,
    ) -> AudioTextView:
        is_usable = is_learned[pairs.triggers] & is_learned[pairs.tracks]
        return AudioTextView(
            content=content,
            spectrograms=self.spectrograms,
            mel_version=self.mel_version,
            audio_rows=self.audio_rows,
            texts=texts,
            copies=self.copies,
            is_learned=is_learned,
            pairs=pairs.where(is_usable),
            liked=liked,
        )

    def _texts(self, tagged: Edges, tagger_count: Tensor) -> list[str]:
        """The texts of all tracks with these tags."""
        tags = self.dataset.nodes.tags.ids
        given: dict[int, dict[str, int]] = {}
        columns = (tagged.source.tolist(), tagged.target.tolist(), tagger_count.tolist())
        for track, tag, count in zip(*columns, strict=True):
            given.setdefault(track, {})[str(tags[tag])] = count
        with_tags = (
            replace(parts, tag_counts=given.get(track, {}))
            for track, parts in enumerate(self.parts)
        )
        return [compose_text(parts, self.text_fields) or "" for parts in with_tags]


def audio_text_versions(lake: str, as_of: date) -> dict[str, str]:
    """The encoder identity that a night reads, by feature table, spectrograms included."""
    return encoders_of(lake, as_of, (*TABLE_OF.values(), FEAT_MEL))


def read_audio_text(night: Night, features: Mapping[str, str] | None = None) -> AudioTextData:
    """Read what training needs, in the order of the graph's tracks.

    Args:
        night: the day and the settings; spectrograms are copied to its state folder.
        features: encoder identities to read instead of the night's own, by feature table.
    """
    settings, as_of = night.settings, night.as_of
    dataset = read_dataset(settings.lake, as_of, settings.graph, features)
    tracks = dataset.nodes.tracks
    columns = ["track_id", "title", "artist_name", "audio_hash"]
    catalogue = read_table(settings.lake, CORE_TRACKS, as_of=as_of, columns=columns)
    row_of = {name: row for row, name in enumerate(catalogue["track_id"].to_pylist())}
    rows = [row_of[str(name)] for name in tracks.ids]
    hashes = [catalogue["audio_hash"][row].as_py() for row in rows]
    versions = features or audio_text_versions(settings.lake, as_of)
    version = versions.get(FEAT_MEL.name, "")
    spectrograms = _spectrograms(night, version, [name for name in hashes if name])
    audio_rows = [spectrograms.row_of.get(name, -1) if name else -1 for name in hashes]
    written = read_table(settings.lake, FEAT_TRACK_TEXTS, as_of=as_of)
    texts = dict(zip(written["track_id"].to_pylist(), written.to_pylist(), strict=True))
    parts, composed = [], []
    for name, row in zip(tracks.ids, rows, strict=True):
        text = texts.get(str(name), {})
        composed.append(text.get("track_text") or "")
        parts.append(
            TextParts(
                title=catalogue["title"][row].as_py(),
                artist=catalogue["artist_name"][row].as_py(),
                language=text.get("language"),
                lyrics_excerpt=text.get("lyrics_excerpt"),
            )
        )
    return AudioTextData(
        dataset=dataset,
        spectrograms=spectrograms,
        mel_version=version if spectrograms.row_of else "",
        audio_rows=torch.tensor(audio_rows, dtype=torch.int64),
        audio_hashes=hashes,
        parts=parts,
        text_fields=settings.encoders.text_fields,
        texts=composed,
        pairs=read_track_pairs(settings.lake, as_of, dataset.nodes),
    )


def _spectrograms(night: Night, version: str, hashes: Sequence[str]) -> Spectrograms:
    """Those of a version; none where the night writes none (encoders.audio_mel)."""
    if not version or not exists(night.settings.lake, FEAT_MEL):
        return Spectrograms(
            {}, pa.chunked_array([], pa.binary()), torch.zeros(0, dtype=torch.int32)
        )
    folder = night.settings.state / _FOLDER
    return open_spectrograms(night.settings.lake, EncoderIdentity.parse(version), hashes, folder)
