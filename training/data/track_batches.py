"""Batches of tracks and of pairs of tracks, read ahead while the network computes."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import torch
from torch import Tensor

from training.engine.distributed import n_processes, process_rank
from training.engine.stages import Loading

Content = TypeVar("Content")

_BATCHES_AHEAD = 2


@dataclass(slots=True, eq=False)
class _Meter:
    """Rows and seconds of the newest epoch; see Loading. Reader and loop each add to their own."""

    rows: int = 0
    reading_s: float = 0.0
    waited_s: float = 0.0

    def reset(self) -> None:
        """An epoch begins."""
        self.rows, self.reading_s, self.waited_s = 0, 0.0, 0.0


@dataclass(frozen=True, slots=True, eq=False)
class MusicBatch(Generic[Content]):
    """Some tracks or pairs, of which each process reads its own shard.

    Attributes:
        positions: of tracks, shape (n,), or of pairs of tracks, shape (n, 2).
    """

    positions: Tensor
    _content: Future[Content]
    _meter: _Meter

    def shard(self, rank: int, n_shards: int) -> MusicBatch[Content]:
        """This process's part; its content is being read already."""
        return MusicBatch(self.positions[rank::n_shards], self._content, self._meter)

    def wait(self) -> Content:
        """What was read, in the shard of this process alone, once it is there."""
        started_at_s = time.perf_counter()
        content = self._content.result()
        self._meter.waited_s += time.perf_counter() - started_at_s
        return content

    def describe(self) -> str:
        """The tracks, for an error message."""
        return f"tracks at positions {self.positions.tolist()}"


@dataclass(frozen=True, slots=True, eq=False)
class MusicBatches(Generic[Content]):
    """Each iteration is one epoch: the positions that `draw` gives, in batches.

    Attributes:
        draw: the positions of an epoch, in the order in which they are learned; it draws by the
            stage's generator.
        n_positions: how many `draw` gives.
        size: of a batch, of all processes together.
        read: the content of a process's shard, in another thread.
    """

    draw: Callable[[], Tensor]
    n_positions: int
    size: int
    read: Callable[[Tensor], Content] = field(repr=False)
    _meter: _Meter = field(default_factory=_Meter, init=False, repr=False)

    def __len__(self) -> int:
        """Batches of an epoch."""
        return math.ceil(self.n_positions / self.size)

    def __iter__(self) -> Iterator[MusicBatch[Content]]:
        """One epoch; what is read ahead is given up when the epoch is left early.

        The last batches may be waited for after the iteration has ended, by a loop that takes
        several at a time.
        """
        rank, n_shards = process_rank(), n_processes()
        self._meter.reset()
        pool = ThreadPoolExecutor(1)
        ahead: deque[MusicBatch[Content]] = deque()
        is_left_early = True
        try:
            for positions in self.draw().split(self.size):
                content = pool.submit(self._timed, positions[rank::n_shards])
                ahead.append(MusicBatch(positions, content, self._meter))
                if len(ahead) > _BATCHES_AHEAD:
                    yield ahead.popleft()
            yield from ahead
            is_left_early = False
        finally:
            pool.shutdown(wait=is_left_early, cancel_futures=is_left_early)

    def loading(self) -> Loading:
        """What the newest epoch read in this process; a pair is two rows."""
        return Loading(self._meter.rows, self._meter.reading_s, self._meter.waited_s)

    def _timed(self, positions: Tensor) -> Content:
        started_at_s = time.perf_counter()
        content = self.read(positions)
        self._meter.reading_s += time.perf_counter() - started_at_s
        self._meter.rows += positions.numel()
        return content


def shuffled(positions: Tensor, generator: torch.Generator) -> Tensor:
    """The positions in a random order."""
    return positions[torch.randperm(len(positions), generator=generator)]


def spread(positions: Tensor, n: int) -> Tensor:
    """At most `n` of some positions, evenly spread over them."""
    if len(positions) <= n:
        return positions
    return positions[torch.arange(n) * len(positions) // n]


def popularity_weights(tracks: Tensor, power: float) -> Tensor:
    """A weight for each pair, so that the second tracks of few listeners are not drowned.

    1 / count ** power: at 0 pairs are drawn as often as they happened, at 1 every track is drawn as
    often as every other.

    Args:
        tracks: the second tracks of the pairs, shape (n,).
        power: 0 to 1.
    """
    _, group, count = torch.unique(tracks, return_inverse=True, return_counts=True)
    weights: Tensor = count[group].double().pow(-power)
    return weights
