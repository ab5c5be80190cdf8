"""Batches of people: whose scores are wanted and, for learning, which tracks must come first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from training.data.interactions import Pairs


@dataclass(frozen=True, slots=True, eq=False)
class UserBatch:
    """Some people.

    Attributes:
        users: positions, shape (batch,).
    """

    users: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class LearningBatch:
    """Some people, what they heard, and the tracks that this is ranked against.

    Attributes:
        users: positions, shape (batch,).
        candidates: positions of tracks in ascending order, shape (candidates,); holds every
            positive.
        rows: of each positive, its person's place in `users`, shape (positives,).
        columns: of each positive, its track's place in `candidates`, shape (positives,).
        shared: places in `candidates` on which heads compare what they think, shape (shared,).
    """

    users: Tensor
    candidates: Tensor
    rows: Tensor
    columns: Tensor
    shared: Tensor

    def to(self, device: torch.device) -> LearningBatch:
        """The same on another device."""
        return LearningBatch(
            self.users.to(device),
            self.candidates.to(device),
            self.rows.to(device),
            self.columns.to(device),
            self.shared.to(device),
        )

    def part(self, place: int, n_parts: int) -> LearningBatch:
        """Every `n_parts`-th person from `place` on, against the same candidates.

        Example: part 1 of 2 of the people (3, 5, 8) is (5), with that person's positives.
        """
        mine = self.rows % n_parts == place
        return replace(
            self,
            users=self.users[place::n_parts],
            rows=self.rows[mine] // n_parts,
            columns=self.columns[mine],
        )


@dataclass(frozen=True, slots=True, eq=False)
class LearningBatches:
    """All people who heard something, shuffled anew each time it is gone through.

    The candidates are all tracks while there are at most `max_candidates`; of a larger catalogue
    they are the batch's positives and tracks drawn at random without replacement, so that memory
    does not grow with the catalogue. A batch has `batch_users` people, or fewer where an epoch
    would otherwise have less than `min_batches` steps.
    """

    heard: Pairs
    n_tracks: int
    batch_users: int
    min_batches: int
    max_candidates: int
    max_shared: int
    generator: torch.Generator
    device: torch.device

    def __iter__(self) -> Iterator[LearningBatch]:
        """One epoch; without a single listen it has no batch."""
        users = self.heard.users.unique()
        if not len(users):
            return
        shuffled = users[torch.randperm(len(users), generator=self.generator)]
        size = min(self.batch_users, -(-len(users) // self.min_batches))
        for block in shuffled.split(max(1, size)):
            yield self._batch(block.sort().values).to(self.device)

    def _batch(self, users: Tensor) -> LearningBatch:
        """The batch of these people; `users` ascending."""
        rows, tracks = self.heard.of_users(users)
        candidates = self._candidates(tracks)
        columns = torch.searchsorted(candidates, tracks)
        return LearningBatch(users, candidates, rows, columns, self._shared(len(candidates)))

    def _shared(self, n_candidates: int) -> Tensor:
        """Places of the candidates that heads compare, ascending."""
        if n_candidates <= self.max_shared:
            return torch.arange(n_candidates)
        drawn = torch.randperm(n_candidates, generator=self.generator)[: self.max_shared]
        return drawn.sort().values

    def _candidates(self, positives: Tensor) -> Tensor:
        """Tracks to rank against, ascending."""
        if self.n_tracks <= self.max_candidates:
            return torch.arange(self.n_tracks)
        heard = positives.unique()
        drawn = torch.randperm(self.n_tracks, generator=self.generator)
        drawn = drawn[: max(0, self.max_candidates - len(heard))]
        together: Tensor = torch.cat([heard, drawn]).unique()
        return together


def blocks(users: Tensor, size: int) -> Iterator[UserBatch]:
    """People in blocks of at most `size`, in the order given."""
    for block in users.split(size):
        yield UserBatch(block)
