"""Popularity: recommends the tracks with the most listeners to everyone.

Learns nothing about a listener; it is the baseline that every other family must beat.
Differs from the paper: there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from torch import Tensor, nn

from training.data.batches import TrainingBatch, UserBatch
from training.data.dataset import DataView


@dataclass(frozen=True, slots=True)
class PopularityConfig:
    """Nothing to set."""


class Popularity(nn.Module):
    """score(user, track) = number of distinct listeners of the track."""

    node_tables: Mapping[str, str] = MappingProxyType({})
    listeners: Tensor

    def __init__(self, config: PopularityConfig, view: DataView) -> None:  # noqa: ARG002
        super().__init__()
        self.register_buffer("listeners", view.graph.listener_count(), persistent=False)

    def training_loss(self, batch: TrainingBatch) -> dict[str, Tensor]:  # noqa: ARG002  solved
        return {}

    def score(self, batch: UserBatch) -> Tensor:
        return self.listeners.repeat(len(batch.users), 1)
