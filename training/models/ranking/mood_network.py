"""The deep part of Wide & Deep for moods: a network over vectors, which generalises.

Its first layer is a sum of parts, one for what the listener, the mood, the track and the pair bring
each, so that the parts of a listener and of a track are computed once for all pairs:

    h1 = relu(L user + M mood + T text + S track + P pair);   score = w relu(W h1) + scale cosine
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.models.ranking.mood_crosses import popularity_of

if TYPE_CHECKING:
    from training.data.mood import MoodView
    from training.models.mood_protocol import MoodQueries

_MOOD, _TRACK, _PAIR = 3, 4, 4
"""Numbers of a mood (valence, arousal, has a text), of a track beside its vector (valence, arousal,
has a mood, popularity), and of a pair (difference of valence and of arousal, distance, cosine)."""


class MoodNetwork(nn.Module):
    """Scores a listener, a mood and a track by their vectors."""

    user_vectors: Tensor
    track_vectors: Tensor
    track_numbers: Tensor
    positions: Tensor

    def __init__(
        self, view: MoodView, vectors: tuple[Tensor, Tensor], widths: tuple[int, int], scale: float
    ) -> None:
        """Draw the layers.

        Args:
            view: moods and popularity of the tracks.
            vectors: of listeners, shape (n_users, dim), and tracks, shape (n_tracks, dim); unit
                vectors or zeros. They are not trained.
            widths: of both hidden layers.
            scale: of the cosine of listener and track, before it is trained.
        """
        super().__init__()
        users, tracks = vectors
        first, second = widths
        has = view.moods.has[:, None]
        positions = view.moods.positions.float()
        numbers = torch.cat([_centred(positions) * has, has, popularity_of(view)[:, None]], dim=1)
        self.user = nn.Linear(users.shape[1], first)
        self.mood = nn.Linear(_MOOD, first, bias=False)
        width = view.texts.embedding.shape[1]
        self.text = nn.Linear(width, first, bias=False) if width else None
        self.track = nn.Linear(tracks.shape[1] + _TRACK, first, bias=False)
        self.pair = nn.Linear(_PAIR, first, bias=False)
        self.hidden = nn.Linear(first, second)
        self.output = nn.Linear(second, 1, bias=False)
        self.scale = nn.Parameter(torch.tensor(scale))
        for name, value in {
            "user_vectors": users,
            "track_vectors": tracks,
            "track_numbers": numbers.float(),
            "positions": positions,
        }.items():
            self.register_buffer(name, value, persistent=False)

    def track_part(self, tracks: Tensor) -> Tensor:
        """What tracks bring to the first layer, shape (1 or batch, n, first); see forward."""
        inputs = torch.cat([self.track_vectors[tracks], self.track_numbers[tracks]], dim=2)
        part: Tensor = self.track(inputs)
        return part

    def forward(
        self,
        queries: MoodQueries,
        tracks: Tensor,
        track_part: Tensor,
        texts: Tensor,
        has_text: Tensor,
    ) -> Tensor:
        """Scores, shape (batch, n).

        Args:
            queries: batch of them.
            tracks: positions, shape (1, n) for the same ones or (batch, n) for each query's own.
            track_part: of these tracks.
            texts: of the queries, shape (batch, width).
            has_text: which of them count, shape (batch,) bool.
        """
        users, contexts = self.user_vectors[queries.users], queries.contexts.float()
        moods = torch.cat([_centred(contexts), has_text[:, None].float()], dim=1)
        of_query = self.user(users) + self.mood(moods)  # (batch, first)
        if self.text is not None:
            of_query = of_query + self.text(texts * has_text[:, None])
        cosines = self._cosines(users, tracks)
        pairs = self._pairs(contexts, tracks, cosines)
        first = functional.relu(of_query[:, None] + track_part + self.pair(pairs))
        second = functional.relu(self.hidden(first))
        scores: Tensor = self.output(second).squeeze(2) + self.scale * cosines
        return scores

    def _cosines(self, users: Tensor, tracks: Tensor) -> Tensor:
        """Of the vectors of listeners, shape (batch, dim), and their tracks; shape (batch, n)."""
        vectors = self.track_vectors[tracks]  # (1 or batch, n, dim)
        if len(vectors) == 1:
            return users @ vectors[0].T
        return (users[:, None] * vectors).sum(dim=2)

    def _pairs(self, contexts: Tensor, tracks: Tensor, cosines: Tensor) -> Tensor:
        """Numbers of each pair, shape (batch, n, _PAIR); distances to unknown moods are 0."""
        apart = (contexts[:, None] - self.positions[tracks]).abs()  # (batch, n, 2)
        apart = apart * self.track_numbers[tracks][..., 2:3]
        distance = torch.linalg.vector_norm(apart, dim=2)
        return torch.cat([apart, distance[..., None], cosines[..., None]], dim=2)


def _centred(positions: Tensor) -> Tensor:
    """Positions in [0, 1] brought to [-1, 1]."""
    return 2 * positions - 1
