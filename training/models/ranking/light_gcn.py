"""LightGCN: graph convolution with nothing but neighbours (He et al. 2020, arXiv:2002.02126).

Learns a vector for each listener and each track; what ranks is the mean of it and of its
neighbourhoods up to `n_layers` listens away.
Differs from the paper: ranking is MM-GNN's, a softmax over the candidates of cosines with a
    temperature, instead of BPR with an L2 penalty, so that what a comparison of the two shows is
    the graph and the heads and not the loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.data.batches import TrainingBatch, UserBatch
from training.data.dataset import DataView
from training.data.graph import Edges, RelationWeights, SocialGraph, adjacency
from training.data.nodes import IdList
from training.layers.cached_embeddings import CachedEmbeddings
from training.layers.inputs import unit_rows
from training.layers.losses import softmax_ranking
from training.layers.propagation import propagate


@dataclass(frozen=True, slots=True)
class LightGCNConfig:
    """Size, steps and sharpness."""

    dim: int = 64
    n_layers: int = 3
    temperature: float = 0.12  # of the softmax over cosines


class LightGCN(nn.Module):
    """score(user, track) = cosine of their propagated vectors; an unheard track has none."""

    node_tables: Mapping[str, str] = MappingProxyType({"users": "user", "tracks": "track"})
    adjacency: Tensor
    has_listener: Tensor

    def __init__(self, config: LightGCNConfig, view: DataView) -> None:
        super().__init__()
        self.config = config
        n_users, n_tracks, *_ = view.graph.sizes
        self.users = nn.Parameter(unit_rows(n_users, config.dim))
        self.tracks = nn.Parameter(unit_rows(n_tracks, config.dim))
        self.register_buffer("adjacency", _listen_adjacency(view.graph), persistent=False)
        has_listener = view.graph.listener_count() > 0
        self.register_buffer("has_listener", has_listener, persistent=False)
        self._encoded = CachedEmbeddings(self._propagated)

    def training_loss(self, batch: TrainingBatch) -> dict[str, Tensor]:
        """Softmax ranking of each listener's tracks against the candidates."""
        rows = torch.cat([batch.users, len(self.users) + batch.candidates])
        users, tracks = functional.normalize(self._states()[rows]).split(
            [len(batch.users), len(batch.candidates)]
        )
        logits = users @ tracks.T / self.config.temperature
        candidate_mask = torch.ones_like(batch.candidates, dtype=torch.bool)
        return {"ranking": softmax_ranking(logits, batch.rows, batch.columns, candidate_mask)}

    def score(self, batch: UserBatch) -> Tensor:
        users, tracks = self._encoded()
        scores = users[batch.users] @ tracks.T  # (batch, n_tracks)
        covered: Tensor = scores.masked_fill(~self.has_listener, -torch.inf)
        return covered

    def _propagated(self) -> tuple[Tensor, Tensor]:
        """Unit vectors of listeners and tracks."""
        outputs = functional.normalize(self._states())
        return outputs[: len(self.users)], outputs[len(self.users) :]

    def _states(self) -> Tensor:
        """Listeners, then tracks, propagated, shape (n_users + n_tracks, dim)."""
        inputs = torch.cat([self.users, self.tracks])
        return propagate(self.adjacency, inputs, self.config.n_layers)


def _listen_adjacency(graph: SocialGraph) -> Tensor:
    """Normalised adjacency of listeners and tracks, all listens with the same weight."""
    no_ids, no_positions = IdList.of("nobody", ()), torch.zeros(0, dtype=torch.int64)
    no_edges = Edges(no_positions, no_positions)
    bare = replace(
        graph,
        nodes=replace(graph.nodes, artists=no_ids, tags=no_ids, albums=no_ids),
        follows=no_edges,
        made_by=no_edges,
        tagged=no_edges,
        liked=no_edges,
        on_album=no_edges,
    )
    weights = RelationWeights(
        listened=1, follows=0, made_by=0, tagged=0, liked=0, on_album=0, listened_power=0
    )
    every_track = torch.ones(len(graph.nodes.tracks), dtype=torch.bool)
    return adjacency(bare, weights, every_track)
