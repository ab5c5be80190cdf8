"""Moods of tracks, and the emotion in whose context listeners played them: what `mood` reads.

A position is a point of the plane of valence and arousal, in [0, 1] x [0, 1]; its cell is one of
25, numbered by valence, then arousal (feature_store/mood_plane.py).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc
import torch
from torch import Tensor
from torch.nn import functional

from feature_store.lake.arrow_io import read_table
from feature_store.mood_plane import CELLS_PER_SIDE, cells_of
from feature_store.tables.features import FEAT_LISTEN_MOOD, FEAT_TRACK_MOOD
from training.data.interactions import day_number
from training.data.reading import TABLES_READ, days_of, read_dataset

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    import pyarrow as pa

    from feature_store.contract import Table
    from feature_store.settings import Night
    from training.data.dataset import Dataset, DataView
    from training.data.nodes import IdList, Nodes
    from training.evaluation.splits import Holdout

MOOD_READ: tuple[Table, ...] = (*TABLES_READ, FEAT_TRACK_MOOD, FEAT_LISTEN_MOOD)
"""What `read_mood` reads, for the lineage of its callers."""

N_CELLS = CELLS_PER_SIDE**2
NO_CELL = N_CELLS
"""The number that stands for the cell of a track without a mood."""

_TEXT = "lyrics"
"""The modality whose vectors tell what a cell's tracks say."""


def cell_numbers(positions: Tensor) -> Tensor:
    """Cell of each position, shape (n,) int64.

    Args:
        positions: valence and arousal, shape (n, 2) float64.

    Example: (0.1, 0.9) is cell 4, (0.9, 0.1) cell 20.
    """
    fifths = torch.from_numpy(cells_of(positions.cpu().numpy()).astype(np.int64))
    return (fifths[:, 0] * CELLS_PER_SIDE + fifths[:, 1]).to(positions.device)


def cell_centres() -> Tensor:
    """The middle of each cell, shape (N_CELLS, 2) float64."""
    cells = torch.arange(N_CELLS)
    fifths = torch.stack([cells // CELLS_PER_SIDE, cells % CELLS_PER_SIDE], dim=1)
    return (fifths.double() + 0.5) / CELLS_PER_SIDE


@dataclass(frozen=True, slots=True, eq=False)
class TrackMoods:
    """Where tracks lie on the plane.

    Attributes:
        positions: shape (n_tracks, 2) float64; rows outside `has` mean nothing.
        has: shape (n_tracks,) bool.
    """

    positions: Tensor
    has: Tensor

    @property
    def cells(self) -> Tensor:
        """Cell of each track, NO_CELL without a mood; shape (n_tracks,)."""
        return cell_numbers(self.positions).where(self.has, NO_CELL)

    def among(self, mask: Tensor) -> TrackMoods:
        """The same, but tracks outside `mask`, shape (n_tracks,) bool, have no mood."""
        return TrackMoods(self.positions, self.has & mask)


@dataclass(frozen=True, slots=True, eq=False)
class ListenMoods:
    """Listens of a listener to a track on a day, with the emotion of the tracks around it.

    Attributes:
        users, tracks: positions in the lists of ids, shape (n,).
        day: days since 1970-01-01, shape (n,).
        contexts: mean position of the other tracks, shape (n, 2) float64.
    """

    users: Tensor
    tracks: Tensor
    day: Tensor
    contexts: Tensor

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.users)

    def where(self, mask: Tensor) -> ListenMoods:
        """The rows that `mask`, shape (n,), lets through."""
        return self.rows(mask.nonzero().squeeze(1))

    def rows(self, rows: Tensor) -> ListenMoods:
        """Some rows, by their numbers."""
        return ListenMoods(self.users[rows], self.tracks[rows], self.day[rows], self.contexts[rows])

    def before(self, end: date) -> ListenMoods:
        """Rows of days before `end`."""
        return self.where(self.day < day_number(end))

    def within(self, start: date, end: date) -> ListenMoods:
        """Rows of [start, end)."""
        return self.where((self.day >= day_number(start)) & (self.day < day_number(end)))


@dataclass(frozen=True, slots=True, eq=False)
class CellTexts:
    """What the tracks of each cell say.

    Attributes:
        encoder: made the vectors; empty where no track has lyrics.
        embedding: unit vectors, shape (N_CELLS, width); rows outside `has` are 0.
        has: shape (N_CELLS,) bool.
    """

    encoder: str
    embedding: Tensor
    has: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class MoodHoldout:
    """What is known before a cut, and listens after it.

    Attributes:
        known: as the ranking holds it out: listens before the cut, and the pairs to hide.
        queries: held-out listens of tracks that were available before the cut: each asks, by its
            listener and context, for its track.
    """

    known: Holdout
    queries: ListenMoods

    @property
    def n_users(self) -> int:
        """Listeners with a query."""
        return len(self.queries.users.unique())

    def halves(self, generator: torch.Generator) -> tuple[MoodHoldout, MoodHoldout]:
        """The queries of half of the listeners, drawn at random, and those of the others."""
        users = self.queries.users.unique()
        first = users[torch.randperm(len(users), generator=generator)[: len(users) // 2]]
        in_first = torch.isin(self.queries.users, first)
        return (
            replace(self, queries=self.queries.where(in_first)),
            replace(self, queries=self.queries.where(~in_first)),
        )


@dataclass(frozen=True, slots=True, eq=False)
class MoodView:
    """What a model sees.

    Attributes:
        ranking: the graph and the content, as the ranking sees them.
        moods: of tracks that are known.
        listens: with their contexts.
        known_mask: tracks that were available, shape (n_tracks,) bool.
        texts: of the cells.
    """

    ranking: DataView
    moods: TrackMoods
    listens: ListenMoods
    known_mask: Tensor
    texts: CellTexts


@dataclass(frozen=True, slots=True, eq=False)
class MoodData:
    """The tables of a night.

    Attributes:
        dataset: the graph, the content and what is known of each track.
        moods: of all tracks.
        listens: with their contexts; only those that the listener chose where the graph's rules
            say so.
    """

    dataset: Dataset
    moods: TrackMoods
    listens: ListenMoods

    def full_view(self) -> MoodView:
        """Everything that is known as of the night."""
        all_tracks = torch.ones(self.dataset.n_tracks, dtype=torch.bool)
        return self._view(self.dataset.full_view(), self.listens, all_tracks)

    def train_view(self, holdout: MoodHoldout) -> MoodView:
        """What was known before a holdout, less what gives it away (see Dataset.train_view).

        Of a track that became available later nothing is known, not even its mood.
        """
        known = holdout.known
        listens = self.listens.before(known.end)
        listens = listens.where(known.available_mask[listens.tracks])
        return self._view(self.dataset.train_view(known), listens, known.available_mask)

    def sha256(self) -> str:
        """Hash of all that training reads; equal data of another day have the same hash."""
        digest = hashlib.sha256(self.dataset.sha256().encode())
        moods, listens = self.moods, self.listens
        positions = moods.positions.where(moods.has[:, None], 0.0)
        for tensor in (
            positions, moods.has, listens.users, listens.tracks, listens.day, listens.contexts,
        ):  # fmt: skip
            digest.update(tensor.contiguous().numpy().tobytes() + b"\2")
        return digest.hexdigest()

    def _view(self, ranking: DataView, listens: ListenMoods, known_mask: Tensor) -> MoodView:
        moods = self.moods.among(known_mask)
        return MoodView(ranking, moods, listens, known_mask, cell_texts(ranking, moods))


def cell_texts(view: DataView, moods: TrackMoods) -> CellTexts:
    """Mean lyrics vector of each cell's tracks, brought to length 1."""
    lyrics = view.content.get(_TEXT)
    if lyrics is None or not bool((lyrics.has & moods.has).any()):
        return no_texts("", 0)
    counted = (lyrics.has & moods.has).nonzero().squeeze(1)
    cells = moods.cells[counted]
    sums = torch.zeros(N_CELLS, lyrics.embedding.shape[1])
    sums.index_add_(0, cells, functional.normalize(lyrics.embedding[counted], dim=1))
    has = torch.bincount(cells, minlength=N_CELLS) > 0
    return CellTexts(lyrics.encoder, functional.normalize(sums, dim=1), has)


def no_texts(encoder: str, width: int) -> CellTexts:
    """Texts of cells without a track that has lyrics."""
    none = torch.zeros(N_CELLS, dtype=torch.bool)
    return CellTexts(encoder, torch.zeros(N_CELLS, width), none)


def read_mood(night: Night, features: Mapping[str, str] | None = None) -> MoodData:
    """Read what training needs, in the order of the graph's nodes.

    Args:
        night: the day and the settings.
        features: encoder identities to read instead of the night's own, by feature table.

    Raises:
        DanglingIdError: a row names a listener or track that the graph does not have.
    """
    settings, as_of = night.settings, night.as_of
    dataset = read_dataset(settings.lake, as_of, settings.graph, features)
    return MoodData(
        dataset,
        _read_moods(settings.lake, as_of, dataset.nodes.tracks),
        _read_listens(
            settings.lake, as_of, dataset.nodes, organic_only=settings.graph.organic_only
        ),
    )


def _read_moods(lake: str, as_of: date, tracks: IdList) -> TrackMoods:
    names = ["valence_position", "arousal_position"]
    rows = read_table(lake, FEAT_TRACK_MOOD, as_of=as_of, columns=["track_id", *names])
    at = tracks.positions(rows["track_id"], FEAT_TRACK_MOOD.name)
    positions = torch.zeros(len(tracks), 2, dtype=torch.float64)
    positions[at] = _columns(rows, names)
    has = torch.zeros(len(tracks), dtype=torch.bool)
    has[at] = True
    return TrackMoods(positions, has)


def _read_listens(lake: str, as_of: date, nodes: Nodes, *, organic_only: bool) -> ListenMoods:
    names = ["context_valence", "context_arousal"]
    columns = ["user_id", "track_id", "listened_date", "organic_count", *names]
    rows = read_table(lake, FEAT_LISTEN_MOOD, as_of=as_of, columns=columns)
    if organic_only:
        rows = rows.filter(pc.greater(rows["organic_count"], 0))
    return ListenMoods(
        nodes.users.positions(rows["user_id"], FEAT_LISTEN_MOOD.name),
        nodes.tracks.positions(rows["track_id"], FEAT_LISTEN_MOOD.name),
        days_of(rows, "listened_date"),
        _columns(rows, names),
    )


def _columns(rows: pa.Table, names: list[str]) -> Tensor:
    """Some columns of numbers, shape (n, len(names)) float64."""
    columns = [rows[name].to_numpy().astype(np.float64) for name in names]
    return torch.from_numpy(np.stack(columns, axis=1))
