"""What `mood` asks of its families. Apart from protocols.py, which every ranking hashes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class MoodQueries:
    """Listeners who ask for music in a mood.

    Attributes:
        users: positions, shape (batch,).
        contexts: the mood, a point of the plane in [0, 1] x [0, 1], shape (batch, 2) float64.
        texts: what each of them said, as vectors of the encoder of lyrics, shape (batch, width);
            None where nobody said a word: then what the tracks of the mood's cell say stands for
            it.
    """

    users: Tensor
    contexts: Tensor
    texts: Tensor | None = None

    def to(self, device: torch.device) -> MoodQueries:
        """The same on another device."""
        texts = None if self.texts is None else self.texts.to(device)
        return MoodQueries(self.users.to(device), self.contexts.to(device), texts)

    def rows(self, rows: slice) -> MoodQueries:
        """Some of them."""
        texts = None if self.texts is None else self.texts[rows]
        return MoodQueries(self.users[rows], self.contexts[rows], texts)


class MoodRecommender(Protocol):
    """What every family of `mood` offers, as a torch module.

    Attributes:
        node_tables: parameters with one row per node, and the kind of node; a loaded model maps
            the rows by id.
    """

    @property
    def node_tables(self) -> Mapping[str, str]:
        """See above."""

    def score(self, queries: MoodQueries, tracks: Tensor) -> Tensor:
        """Score of some tracks for each query, shape (batch, n); finite.

        Args:
            queries: on the model's device.
            tracks: positions, shape (n,), the same for all queries.
        """
