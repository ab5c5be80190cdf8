"""LightGCN: graph convolution with nothing but neighbours (He et al. 2020, arXiv:2002.02126).

Learns a vector for each person and each track; what ranks is the mean of it and of its
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

from training.data.batches import LearningBatch, UserBatch
from training.data.dataset import Evidence
from training.data.graph import Edges, RelationWeights, SocialGraph, adjacency
from training.data.nodes import IdList
from training.layers.cached_embeddings import EncodedOnce
from training.layers.ensemble import Blend, HeadScores, of_only_head
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

    head_names = ("collaborative",)
    node_tables: Mapping[str, str] = MappingProxyType({"users": "user", "tracks": "track"})
    adjacency: Tensor
    has_listener: Tensor

    def __init__(self, config: LightGCNConfig, evidence: Evidence) -> None:
        super().__init__()
        self.config = config
        n_users, n_tracks, *_ = evidence.graph.sizes
        self.users = nn.Parameter(unit_rows(n_users, config.dim))
        self.tracks = nn.Parameter(unit_rows(n_tracks, config.dim))
        self.blend = Blend(1)
        self.register_buffer("adjacency", _listens_alone(evidence.graph), persistent=False)
        has_listener = evidence.graph.listener_count() > 0
        self.register_buffer("has_listener", has_listener, persistent=False)
        self._encoded = EncodedOnce(self._propagated)

    def training_loss(self, batch: LearningBatch) -> dict[str, Tensor]:
        """Ranking of each person's tracks against the candidates."""
        asked = torch.cat([batch.users, len(self.users) + batch.candidates])
        people, tracks = functional.normalize(self._states()[asked]).split(
            [len(batch.users), len(batch.candidates)]
        )
        logits = people @ tracks.T / self.config.temperature
        takes_part = torch.ones_like(batch.candidates, dtype=torch.bool)
        return {"ranking": softmax_ranking(logits, batch.rows, batch.columns, takes_part)}

    def head_scores(self, batch: UserBatch) -> HeadScores:
        people, tracks = self._encoded()
        scores = people[batch.users] @ tracks.T  # (batch, n_tracks)
        return HeadScores(scores[None], self.has_listener.expand_as(scores)[None])

    def score(self, batch: UserBatch) -> Tensor:
        return of_only_head(self.head_scores(batch))

    def _propagated(self) -> tuple[Tensor, Tensor]:
        """Unit vectors of people and tracks."""
        outputs = functional.normalize(self._states())
        return outputs[: len(self.users)], outputs[len(self.users) :]

    def _states(self) -> Tensor:
        """People, then tracks, propagated, shape (n_users + n_tracks, dim)."""
        inputs = torch.cat([self.users, self.tracks])
        return propagate(self.adjacency, inputs, self.config.n_layers)


def _listens_alone(graph: SocialGraph) -> Tensor:
    """Normalised adjacency of people and tracks, every listen alike, and nothing else."""
    nobody, nothing = IdList.of("nobody", ()), torch.zeros(0, dtype=torch.int64)
    no_edges = Edges(nothing, nothing)
    bare = replace(
        graph,
        nodes=replace(graph.nodes, artists=nobody, tags=nobody, albums=nobody),
        follows=no_edges,
        made_by=no_edges,
        tagged=no_edges,
        liked=no_edges,
        on_album=no_edges,
    )
    alike = RelationWeights(
        listened=1, follows=0, made_by=0, tagged=0, liked=0, on_album=0, listened_power=0
    )
    every_track = torch.ones(len(graph.nodes.tracks), dtype=torch.bool)
    return adjacency(bare, alike, every_track)
