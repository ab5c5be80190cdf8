"""Batches of listeners for scoring, and training batches with their positives and candidates."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from training.data.interactions import Pairs


@dataclass(frozen=True, slots=True, eq=False)
class UserBatch:
    """Some listeners.

    Attributes:
        users: positions, shape (batch,).
    """

    users: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class TrainingBatch:
    """Some listeners, the tracks they heard (positives), and the candidates ranked against these.

    Attributes:
        users: positions, shape (batch,).
        candidates: positions of tracks in ascending order, shape (candidates,); holds every
            positive.
        rows: of each positive, the row of its user in `users`, shape (positives,).
        columns: of each positive, the column of its track in `candidates`, shape (positives,).
    """

    users: Tensor
    candidates: Tensor
    rows: Tensor
    columns: Tensor

    def to(self, device: torch.device) -> TrainingBatch:
        """The same on another device."""
        return TrainingBatch(
            self.users.to(device),
            self.candidates.to(device),
            self.rows.to(device),
            self.columns.to(device),
        )

    def shard(self, rank: int, n_shards: int) -> TrainingBatch:
        """Every `n_shards`-th listener from `rank` on, against the same candidates.

        Example: shard 1 of 2 of the listeners (3, 5, 8) is (5), with that listener's positives.
        """
        mine = self.rows % n_shards == rank
        return replace(
            self,
            users=self.users[rank::n_shards],
            rows=self.rows[mine] // n_shards,
            columns=self.columns[mine],
        )

    def describe(self) -> str:
        """The listeners, for an error message."""
        return f"users at positions {self.users.tolist()}"


@dataclass(frozen=True, slots=True, eq=False)
class TrainingBatches:
    """All listeners with a listen; each iteration is one epoch in a new random order.

    The candidates are all tracks while there are at most `max_candidates`; of a larger catalogue
    they are the batch's positives and tracks drawn at random without replacement, so that memory
    does not grow with the catalogue. A batch has `batch_users` listeners, or fewer where an epoch
    would otherwise have less than `min_batches` steps.
    """

    listened: Pairs
    n_tracks: int
    batch_users: int
    min_batches: int
    max_candidates: int
    generator: torch.Generator
    device: torch.device

    def __len__(self) -> int:
        """Batches of an epoch."""
        n_users = len(self.listened.users.unique())
        return math.ceil(n_users / self._size(n_users))

    def __iter__(self) -> Iterator[TrainingBatch]:
        """One epoch; without a single listen it has no batch."""
        users = self.listened.users.unique()
        if not len(users):
            return
        shuffled = users[torch.randperm(len(users), generator=self.generator)]
        for block in shuffled.split(self._size(len(users))):
            yield self._batch(block.sort().values).to(self.device)

    def _size(self, n_users: int) -> int:
        """Listeners of a batch."""
        return max(1, min(self.batch_users, -(-n_users // self.min_batches)))

    def _batch(self, users: Tensor) -> TrainingBatch:
        """The batch of these listeners; `users` ascending."""
        rows, tracks = self.listened.of_users(users)
        candidates = self._candidates(tracks)
        columns = torch.searchsorted(candidates, tracks)
        return TrainingBatch(users, candidates, rows, columns)

    def _candidates(self, positives: Tensor) -> Tensor:
        """Tracks to rank against, ascending."""
        if self.n_tracks <= self.max_candidates:
            return torch.arange(self.n_tracks)
        heard = positives.unique()
        drawn = torch.randperm(self.n_tracks, generator=self.generator)
        drawn = drawn[: max(0, self.max_candidates - len(heard))]
        candidates: Tensor = torch.cat([heard, drawn]).unique()
        return candidates


def blocks(users: Tensor, size: int) -> Iterator[UserBatch]:
    """Listeners in blocks of at most `size`, in the order given."""
    for block in users.split(size):
        yield UserBatch(block)
