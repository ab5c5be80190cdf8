"""Batches of listens with their contexts, and the negatives that tracks are ranked against."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from training.data.mood import ListenMoods


@dataclass(frozen=True, slots=True, eq=False)
class MoodBatch:
    """Some listens, each with its track (the positive), and negatives that all of them share.

    Attributes:
        users: positions, shape (batch,).
        contexts: shape (batch, 2) float64.
        positives: positions of tracks, shape (batch,).
        has_text: listens whose model sees the text of their context, shape (batch,) bool.
        negatives: positions of tracks, shape (negatives,).
        log_expected: log of how often the draw was expected to give each negative, likewise.
    """

    users: Tensor
    contexts: Tensor
    positives: Tensor
    has_text: Tensor
    negatives: Tensor
    log_expected: Tensor

    def to(self, device: torch.device) -> MoodBatch:
        """The same on another device."""
        return MoodBatch(
            self.users.to(device),
            self.contexts.to(device),
            self.positives.to(device),
            self.has_text.to(device),
            self.negatives.to(device),
            self.log_expected.to(device),
        )

    def shard(self, rank: int, n_shards: int) -> MoodBatch:
        """Every `n_shards`-th listen from `rank` on, against the same negatives."""
        return replace(
            self,
            users=self.users[rank::n_shards],
            contexts=self.contexts[rank::n_shards],
            positives=self.positives[rank::n_shards],
            has_text=self.has_text[rank::n_shards],
        )

    def describe(self) -> str:
        """The listeners, for an error message."""
        return f"users at positions {self.users.tolist()}"


@dataclass(frozen=True, slots=True, eq=False)
class MoodBatches:
    """All listens in a new random order each epoch.

    Negatives are drawn for each batch, with replacement, by (1 + listeners) ^ popularity_power; of
    a catalogue that has no more tracks than that, all of them stand once.

    Attributes:
        listeners: number of each track, shape (n_tracks,).
        known_mask: tracks that are drawn, likewise, bool.
        batch_listens: fewer where an epoch would have less than `min_batches` steps.
        text_dropout: share of the listens whose model does not see the text of their context.
    """

    listens: ListenMoods
    listeners: Tensor
    known_mask: Tensor
    batch_listens: int
    min_batches: int
    n_negatives: int
    popularity_power: float
    text_dropout: float
    generator: torch.Generator
    device: torch.device

    def __len__(self) -> int:
        """Batches of an epoch."""
        return math.ceil(len(self.listens) / self._size())

    def __iter__(self) -> Iterator[MoodBatch]:
        """One epoch."""
        order = torch.randperm(len(self.listens), generator=self.generator)
        for rows in order.split(self._size()):
            negatives, log_expected = self._negatives()
            some = self.listens.rows(rows)
            drawn = torch.rand(len(rows), generator=self.generator)
            yield MoodBatch(
                users=some.users,
                contexts=some.contexts,
                positives=some.tracks,
                has_text=drawn >= self.text_dropout,
                negatives=negatives,
                log_expected=log_expected,
            ).to(self.device)

    def _size(self) -> int:
        """Listens of a batch."""
        return max(1, min(self.batch_listens, -(-len(self.listens) // self.min_batches)))

    def _negatives(self) -> tuple[Tensor, Tensor]:
        """Negatives of a batch, and the log of how often each was expected."""
        known = self.known_mask.nonzero().squeeze(1)
        if len(known) <= self.n_negatives:
            return known, torch.zeros(len(known))
        shares = (1 + self.listeners[known].double()).pow(self.popularity_power)
        shares /= shares.sum()
        drawn = torch.multinomial(
            shares, self.n_negatives, replacement=True, generator=self.generator
        )
        return known[drawn], (shares[drawn] * self.n_negatives).log().float()
