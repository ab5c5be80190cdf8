"""Batches of texts, padded to the longest of each batch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

BATCHES_TO_SORT = 50
"""Among so many batches texts are sorted by length: little padding, and batches that differ."""


@dataclass(frozen=True, slots=True, eq=False)
class TextBatch:
    """Positions of some texts in the view, shape (batch,)."""

    positions: Tensor

    def shard(self, rank: int, n_shards: int) -> TextBatch:
        """This process's part; may be empty."""
        return TextBatch(self.positions[rank::n_shards])

    def describe(self) -> str:
        """The texts, for an error message."""
        return f"texts at positions {self.positions.tolist()} of the view"


@dataclass(frozen=True, slots=True, eq=False)
class TextBatches:
    """Each iteration is one epoch: all texts once, in a new order, texts of like length together.

    Attributes:
        lengths: of each text of the view, shape (n,).
        size: texts of a batch, of all processes together.
        generator: draws the order.
    """

    lengths: Tensor
    size: int
    generator: torch.Generator

    def __len__(self) -> int:
        """Batches of an epoch."""
        return math.ceil(len(self.lengths) / self.size)

    def __iter__(self) -> Iterator[TextBatch]:
        """One epoch."""
        order = torch.randperm(len(self.lengths), generator=self.generator)
        batches = [
            batch
            for block in order.split(self.size * BATCHES_TO_SORT)
            for batch in block[torch.argsort(self.lengths[block], stable=True)].split(self.size)
        ]
        for number in torch.randperm(len(batches), generator=self.generator).tolist():
            yield TextBatch(batches[number])
