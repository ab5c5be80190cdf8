"""The deep part of Wide & Deep for moods: a network over vectors, which generalises.

Its first layer is a sum of parts, one for what the listener, the mood, the track and the pair bring
each, so that the parts of a listener and of a track are computed once for all pairs:

    h1 = relu(L user + M mood + T text + S track + P pair)
    score = w relu(W h1) + scale cosine
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

_CHUNK = 2**20
"""Numbers of the first layer that are computed at once: 4 MiB, near the size of a cache."""
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

    def forward(
        self, queries: MoodQueries, tracks: Tensor, texts: Tensor, has_text: Tensor
    ) -> Tensor:
        """Scores, shape (batch, n).

        Args:
            queries: batch of them.
            tracks: positions, shape (1, n) for the same ones or (batch, n) for each query's own.
            texts: of the queries, shape (batch, width).
            has_text: which of them count, shape (batch,) bool.
        """
        users = self.user_vectors[queries.users]
        vectors = self.track_vectors[tracks]  # (1 or batch, n, dim)
        cosines = (
            users @ vectors[0].T if len(vectors) == 1 else (users[:, None] * vectors).sum(dim=2)
        )
        of_mood = self._mood_part(queries.contexts.float(), texts, has_text)  # (batch, first)
        of_pair = self._apart(queries.contexts.float(), tracks) @ self.pair.weight[:, :-1].T
        base = of_mood[:, None] + self.track_part(tracks) + of_pair  # (batch, n, first)
        return self._output(users, cosines, base)

    def score_in_one_mood(
        self,
        users: Tensor,
        context: Tensor,
        tracks: Tensor,
        track_part: Tensor,
        text: Tensor,
        *,
        has_text: bool,
    ) -> Tensor:
        """The same scores for listeners in one mood, shape (batch, n), much faster.

        What the mood and the tracks bring to the first layer is computed once for all listeners.

        Args:
            users: positions, shape (batch,).
            context: the mood, shape (2,).
            tracks: positions, shape (n,).
            track_part: of these tracks, which all moods share, shape (1, n, first).
            text: of the mood, shape (width,).
            has_text: whether the text counts.
        """
        contexts, given = context.float()[None], torch.tensor([has_text], device=text.device)
        of_mood = self._mood_part(contexts, text[None], given)
        of_pair = self._apart(contexts, tracks[None]) @ self.pair.weight[:, :-1].T
        base = of_mood[:, None] + track_part + of_pair  # (1, n, first)
        vectors = self.user_vectors[users]
        cosines = vectors @ self.track_vectors[tracks].T
        size = max(1, _CHUNK // max(1, base.numel()))
        rows = zip(vectors.split(size), cosines.split(size), strict=True)
        return torch.cat([self._output(some, of_some, base) for some, of_some in rows])

    def track_part(self, tracks: Tensor) -> Tensor:
        """What tracks bring to the first layer, shape (1 or batch, n, first)."""
        inputs = torch.cat([self.track_vectors[tracks], self.track_numbers[tracks]], dim=2)
        part: Tensor = self.track(inputs)
        return part

    def _output(self, users: Tensor, cosines: Tensor, base: Tensor) -> Tensor:
        """Scores from the first layer's parts, shape (batch, n).

        Args:
            users: vectors, shape (batch, dim).
            cosines: with each track, shape (batch, n).
            base: what mood and tracks bring to the first layer, shape (1 or batch, n, first).
        """
        # L user + p cosine, added to the base in one product: the widest tensor is written once.
        of_user = torch.stack([self.user(users), self.pair.weight[:, -1].expand(len(users), -1)], 1)
        factors = torch.stack([torch.ones_like(cosines), cosines], dim=2)  # (batch, n, 2)
        first = torch.baddbmm(base.expand(len(users), -1, -1), factors, of_user)
        second = functional.relu(self.hidden(functional.relu(first, inplace=True)), inplace=True)
        scores: Tensor = self.output(second).squeeze(2) + self.scale * cosines
        return scores

    def _mood_part(self, contexts: Tensor, texts: Tensor, has_text: Tensor) -> Tensor:
        """What moods bring to the first layer, shape (batch, first)."""
        moods = torch.cat([_centred(contexts), has_text[:, None].float()], dim=1)
        part: Tensor = self.mood(moods)
        return part if self.text is None else part + self.text(texts * has_text[:, None])

    def _apart(self, contexts: Tensor, tracks: Tensor) -> Tensor:
        """Differences and distance of moods and tracks, shape (batch, n, 3); 0 of unknown moods."""
        apart = (contexts[:, None] - self.positions[tracks]).abs()  # (batch, n, 2)
        apart = apart * self.track_numbers[tracks][..., 2:3]
        distance = torch.linalg.vector_norm(apart, dim=2)
        return torch.cat([apart, distance[..., None]], dim=2)


def _centred(positions: Tensor) -> Tensor:
    """Positions in [0, 1] brought to [-1, 1]."""
    return 2 * positions - 1
