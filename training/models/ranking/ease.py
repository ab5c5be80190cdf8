"""EASE: embarrassingly shallow autoencoder (Steck 2019, arXiv:1905.03375).

Learns, in closed form, how much each track a listener heard speaks for each other track.
Differs from the paper: only the most heard `max_tracks` tracks have scores, which bounds the matrix
    to invert; solved on the side of the users when they are fewer, with the same result. Powers
    and weights of LinearSettings can be set; 0, as here, is the paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn

from training.data.batches import TrainingBatch, UserBatch
from training.data.dataset import DataView
from training.layers.linear_autoencoder import LinearAutoencoder, LinearSettings


@dataclass(frozen=True, slots=True)
class EASEConfig:
    """Ridge penalty, size, and what the paper does not have: see LinearSettings."""

    l2: float = 100.0  # listeners
    max_tracks: int = 20_000
    listened_power: float = 0.0
    popularity_power: float = 0.0
    follows_weight: float = 0.0
    tagged_weight: float = 0.0


class EASE(nn.Module):
    """score(user, track) = row of X B."""

    node_tables: Mapping[str, str] = MappingProxyType({})

    def __init__(self, config: EASEConfig, view: DataView) -> None:
        super().__init__()
        self._linear = LinearAutoencoder(view.graph, LinearSettings(**asdict(config)))

    def training_loss(self, batch: TrainingBatch) -> dict[str, Tensor]:  # noqa: ARG002  solved
        return {}

    def score(self, batch: UserBatch) -> Tensor:
        scores = self._linear.score(batch.users)
        return scores.masked_fill(~self._linear.coverage_mask(batch.users), -torch.inf)
