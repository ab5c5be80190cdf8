"""The wide part of Wide & Deep for moods: a linear model of cross products, which memorises.

Each cross product is 1 where all its parts hold, and has one weight:

- listener x cell of the mood x how far the track's cell is from it (the same, a neighbour, further,
  unknown): in which moods a listener wants music of that mood, and in which something else;
- listener x cell of the track: which moods a listener plays at all;
- cell of the mood x genre (a tag of the track): hashed into buckets; a track's tags count as their
  mean;
- cell of the mood x cell of the track.

Beside them stands one raw feature, the track's popularity. A cross of the listener and the mood
without the track would move all scores of a query alike, and so change no list: the first cross has
the track's distance for that reason. Weights of listeners are a table with one row per listener, so
that an erasure removes a person's; no bucket is of a listener.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from feature_store.mood_plane import CELLS_PER_SIDE
from training.data.graph import csr
from training.data.mood import N_CELLS, NO_CELL, cell_numbers
from training.layers.propagation import spmm

if TYPE_CHECKING:
    from training.data.mood import MoodView
    from training.models.mood_protocol import MoodQueries

SAME, NEIGHBOUR, FURTHER, UNKNOWN = range(4)
N_STEPS = 4


class MoodCrosses(nn.Module):
    """Weights of the cross products; all 0 until they are learned.

    Attributes:
        listener_context: shape (n_users, N_CELLS * N_STEPS).
        listener_cell: shape (n_users, N_CELLS + 1).
        context_genre: shape (n_buckets,).
        context_cell: shape (N_CELLS, N_CELLS + 1).
        popularity: shape ().
    """

    track_cells: Tensor
    track_popularity: Tensor
    buckets: Tensor
    genres: Tensor
    genres_by_tag: Tensor
    steps: Tensor

    def __init__(self, view: MoodView, n_buckets: int) -> None:
        super().__init__()
        nodes = view.ranking.graph.nodes
        self.listener_context = nn.Parameter(torch.zeros(len(nodes.users), N_CELLS * N_STEPS))
        self.listener_cell = nn.Parameter(torch.zeros(len(nodes.users), N_CELLS + 1))
        self.context_genre = nn.Parameter(torch.zeros(n_buckets))
        self.context_cell = nn.Parameter(torch.zeros(N_CELLS, N_CELLS + 1))
        self.popularity = nn.Parameter(torch.zeros(()))
        genres, by_tag = _genres(view)
        for name, value in {
            "track_cells": view.moods.cells,
            "track_popularity": popularity_of(view),
            "buckets": genre_buckets(nodes.tags.ids.tolist(), n_buckets),
            "genres": genres,
            "genres_by_tag": by_tag,
            "steps": steps_between_cells(),
        }.items():
            self.register_buffer(name, value, persistent=False)

    @property
    def node_tables(self) -> dict[str, str]:
        """Tables with one row per listener."""
        return {"listener_context": "user", "listener_cell": "user"}

    def forward(self, queries: MoodQueries, tracks: Tensor) -> Tensor:
        """Scores, shape (batch, n).

        Args:
            queries: batch of them.
            tracks: positions, shape (1, n) for the same ones or (batch, n) for each query's own.
        """
        moods = cell_numbers(queries.contexts)
        by_cell = self._by_cell(queries.users, moods)  # (batch, N_CELLS + 1)
        cells, genres = self.track_cells[tracks], self._genre_scores()
        popularity = self.popularity * self.track_popularity[tracks]
        if len(tracks) == 1:  # the same ones: columns are taken once for all queries
            return by_cell[:, cells[0]] + (genres[:, tracks[0]] + popularity)[moods]
        return by_cell.gather(1, cells) + genres[moods[:, None], tracks] + popularity

    def _by_cell(self, users: Tensor, moods: Tensor) -> Tensor:
        """What the cell of a track adds for each query, shape (batch, N_CELLS + 1)."""
        columns = moods[:, None] * N_STEPS + self.steps[moods]
        of_listener = self.listener_context[users].gather(1, columns) + self.listener_cell[users]
        return of_listener + self.context_cell[moods]

    def _genre_scores(self) -> Tensor:
        """Mean weight of each track's tags in each mood, shape (N_CELLS, n_tracks)."""
        if not len(self.buckets):  # no tag at all
            return torch.zeros(N_CELLS, len(self.track_cells), device=self.track_cells.device)
        of_tags = self.context_genre[self.buckets]  # (n_tags, N_CELLS)
        return spmm(self.genres, self.genres_by_tag, of_tags).T


def genre_buckets(genres: list[str], n_buckets: int) -> Tensor:
    """Bucket of each cross of a genre and a mood's cell, shape (n_genres, N_CELLS).

    By CRC-32 of the cell's number and the genre, which is the same on every machine and night.
    """
    hashed = [
        [zlib.crc32(f"{cell}\0{genre}".encode()) % n_buckets for cell in range(N_CELLS)]
        for genre in genres
    ]
    return torch.tensor(hashed, dtype=torch.int64).reshape(len(genres), N_CELLS)


def steps_between_cells() -> Tensor:
    """How far each cell is from each mood, shape (N_CELLS, N_CELLS + 1); NO_CELL is UNKNOWN.

    Cells that touch, also at a corner, are neighbours.
    """
    numbers = np.arange(N_CELLS)
    rows, columns = numbers // CELLS_PER_SIDE, numbers % CELLS_PER_SIDE
    apart = np.maximum(abs(rows[:, None] - rows), abs(columns[:, None] - columns))
    steps = torch.full((N_CELLS, N_CELLS + 1), UNKNOWN)
    steps[:, :NO_CELL] = torch.from_numpy(np.minimum(apart, FURTHER))
    return steps


def popularity_of(view: MoodView) -> Tensor:
    """Log of 1 + listeners of each track, as a share of the greatest; shape (n_tracks,)."""
    counts = torch.log1p(view.ranking.graph.listener_count())
    return counts / counts.max().clamp(min=1.0) if len(counts) else counts


def _genres(view: MoodView) -> tuple[Tensor, Tensor]:
    """Tags of each track, 1 / their number each, sparse (n_tracks, n_tags); and transposed."""
    graph = view.ranking.graph
    shape = (len(graph.nodes.tracks), len(graph.nodes.tags))
    tagged = graph.tagged
    count = torch.bincount(tagged.source, minlength=shape[0])
    shares = 1 / count[tagged.source].float()
    return (
        csr(tagged.source, tagged.target, shares, shape),
        csr(tagged.target, tagged.source, shares, shape[::-1]),
    )
