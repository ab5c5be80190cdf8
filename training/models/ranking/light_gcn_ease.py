"""Ensemble of LightGCN and EASE (He et al. 2020, arXiv:2002.02126; Steck 2019, arXiv:1905.03375).

Learns the two separately; the ensemble is MM-GNN's weighted mean of calibrated scores, with weights
selected on validation. It measures whether MM-GNN is more than such an ensemble.
Differs from the papers: what differs in light_gcn and ease differs here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn

from training.data.batches import TrainingBatch, UserBatch
from training.data.dataset import DataView
from training.layers.ensemble import Ensemble, HeadScores
from training.models.ranking.ease import EASE, EASEConfig
from training.models.ranking.light_gcn import LightGCN, LightGCNConfig

_GRAPH, _LINEAR = LightGCNConfig(), EASEConfig()


@dataclass(frozen=True, slots=True)
class LightGCNEASEConfig:
    """Settings of both, with the same defaults."""

    dim: int = _GRAPH.dim
    n_layers: int = _GRAPH.n_layers
    temperature: float = _GRAPH.temperature
    l2: float = _LINEAR.l2
    max_tracks: int = _LINEAR.max_tracks
    listened_power: float = _LINEAR.listened_power
    popularity_power: float = _LINEAR.popularity_power
    follows_weight: float = _LINEAR.follows_weight
    tagged_weight: float = _LINEAR.tagged_weight


class LightGCNEASE(nn.Module):
    """Two heads: the graph's scores and the linear autoencoder's scores."""

    head_names = ("collaborative", "linear")
    node_tables: Mapping[str, str] = MappingProxyType(
        {f"graph.{name}": kind for name, kind in LightGCN.node_tables.items()}
    )

    def __init__(self, config: LightGCNEASEConfig, view: DataView) -> None:
        super().__init__()
        graph = LightGCNConfig(config.dim, config.n_layers, config.temperature)
        self.graph = LightGCN(graph, view)
        self.linear = EASE(
            EASEConfig(
                l2=config.l2,
                max_tracks=config.max_tracks,
                listened_power=config.listened_power,
                popularity_power=config.popularity_power,
                follows_weight=config.follows_weight,
                tagged_weight=config.tagged_weight,
            ),
            view,
        )
        self.ensemble = Ensemble(len(self.head_names))

    def training_loss(self, batch: TrainingBatch) -> dict[str, Tensor]:
        """The graph's loss only: the linear head is solved in closed form."""
        return self.graph.training_loss(batch)

    def head_scores(self, batch: UserBatch) -> HeadScores:
        """Scores and coverage of both; a single family marks what it does not cover by -inf."""
        scores = torch.stack([self.graph.score(batch), self.linear.score(batch)])
        return HeadScores(scores.nan_to_num(neginf=0.0), ~scores.isneginf())

    def score(self, batch: UserBatch) -> Tensor:
        scores: Tensor = self.ensemble(self.head_scores(batch))
        return scores
