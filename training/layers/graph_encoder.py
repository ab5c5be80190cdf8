"""Graph encoder of one modality: embeds users and tracks by light propagation over its subgraph."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.data.batches import TrainingBatch
from training.data.graph import RelationWeights, SocialGraph, adjacency
from training.data.neighbours import (
    EdgeOverride,
    NeighbourSampler,
    propagate_sampled,
    uniform_sampling,
    weighted_sampling,
)
from training.layers.cached_embeddings import CachedEmbeddings
from training.layers.inputs import unit_rows
from training.layers.propagation import propagate


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """Shape of an encoder, edge weights and neighbour sampling.

    Attributes:
        dim: width of its vectors where no content decides it.
        n_layers: steps of propagation.
        relations: weights of the edges.
        fan_out: neighbours drawn of a node for each step of training; 0 takes the whole graph.
        weighted_sampling: draw neighbours in proportion to their edge weights, not uniformly.
    """

    dim: int
    n_layers: int
    relations: RelationWeights
    fan_out: int
    weighted_sampling: bool


class TrackInput(Protocol):
    """How content enters a graph encoder, as a torch module.

    Attributes:
        dim: width of the vectors that it gives, and of the encoder that takes them.
        has: tracks that it has content of, shape (n_tracks,) bool.
        has_emotion: tracks whose emotion can be learned, shape (n_tracks,) bool.
    """

    dim: int
    has: Tensor
    has_emotion: Tensor

    def __call__(self) -> Tensor:
        """Unit vectors, shape (n_tracks, dim); zeros where there is no content."""

    def emotion_error(self, vectors: Tensor, tracks: Tensor) -> Tensor:
        """Mean squared error of emotion predicted from `vectors`, (n, dim), of these tracks."""


class GraphEncoder(nn.Module):
    """One head: embeds users and tracks by propagation over the subgraph of its modality.

    Tracks enter as their projected features (or their id, for the collaborative one), listeners as
    their learned preference in this modality. No other modality enters.

    Attributes:
        has_track: tracks with this modality, shape (n_tracks,) bool.
        has_user: listeners with an edge in this part of the graph, shape (n_users,) bool.
        scorable_mask: tracks that the head can score, shape (n_tracks,) bool; without content,
            those with a listener.
    """

    adjacency: Tensor
    cold_start_values: Tensor
    has_track: Tensor
    has_user: Tensor
    scorable_mask: Tensor

    def __init__(
        self, settings: EncoderSettings, graph: SocialGraph, content: TrackInput | None
    ) -> None:
        super().__init__()
        self.sizes = graph.sizes
        self.n_layers = settings.n_layers
        n_users, n_tracks, n_artists, n_tags, n_albums = graph.sizes
        rows = {"user": n_users, "artist": n_artists, "tag": n_tags, "album": n_albums}
        if content is None:
            rows["track"] = n_tracks
        dim = settings.dim if content is None else content.dim
        has_track = torch.ones(n_tracks, dtype=torch.bool) if content is None else content.has
        self.nodes = nn.ParameterDict(
            {kind: nn.Parameter(unit_rows(n_rows, dim)) for kind, n_rows in rows.items()}
        )
        self.content = content
        edges = adjacency(graph, settings.relations, has_track)
        degree = edges.crow_indices().diff()
        self.register_buffer("adjacency", edges, persistent=False)
        if content is not None:
            # An edge of weight 0 stays stored: both matrices have the same edges in the same order.
            unheard = replace(settings.relations, listened=0.0, liked=0.0)
            cold_start = adjacency(graph, unheard, has_track).values()
            if settings.fan_out:
                self.cold_start_values = cold_start  # stays on the CPU, where edges are drawn
            else:
                self.register_buffer("cold_start_values", cold_start, persistent=False)
        self.register_buffer("has_track", has_track, persistent=False)
        self.register_buffer("has_user", degree[:n_users] > 0, persistent=False)
        scorable_mask = graph.listener_count() > 0 if content is None else has_track
        self.register_buffer("scorable_mask", scorable_mask, persistent=False)
        self.cached_embeddings = CachedEmbeddings(self.forward)
        self._sampler = _sampler(edges, settings) if settings.fan_out else None

    def forward(self) -> tuple[Tensor, Tensor]:
        """Unit vectors of listeners, shape (n_users, dim), and of tracks, shape (n_tracks, dim)."""
        states = propagate(self.adjacency, self._inputs(), self.n_layers)
        n_users, n_tracks, *_ = self.sizes
        outputs = functional.normalize(states, dim=1)
        return outputs[:n_users], outputs[n_users : n_users + n_tracks]

    def encode_batch(
        self, batch: TrainingBatch, cold_tracks: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Unit vectors of a batch's users, shape (batch, dim), and candidates, (candidates, dim).

        Propagated over sampled neighbours when the settings have a fan-out.

        Args:
            batch: users and candidates.
            cold_tracks: tracks that are encoded without listens and likes (cold-start dropout),
                shape (n_tracks,) bool. An encoder without content ignores it, because it knows
                nothing else of a track.
        """
        seeds = torch.cat([batch.users, self.sizes[0] + batch.candidates])
        override = None if self.content is None else self._cold_start_override(cold_tracks)
        if self._sampler is None:
            edges = self.adjacency if override is None else override.apply_to(self.adjacency)
            states = propagate(edges, self._inputs(), self.n_layers)[seeds]
        else:
            sampled = self._sampler.sample(seeds.cpu(), override).to(seeds.device)
            states = propagate_sampled(sampled, self._inputs()[sampled.nodes])
        users, tracks = functional.normalize(states, dim=1).split(
            [len(batch.users), len(batch.candidates)]
        )
        return users, tracks

    def _cold_start_override(self, cold_tracks: Tensor | None) -> EdgeOverride | None:
        """Weights of the edges of these tracks, (n_tracks,) bool, without listens and likes."""
        if cold_tracks is None:
            return None
        n_users, _, *others = self.sizes
        nodes = functional.pad(cold_tracks, (n_users, sum(others)))
        values = self.cold_start_values
        return EdgeOverride(nodes.to(values.device), values)

    def _inputs(self) -> Tensor:
        """Input embeddings in the order of the adjacency's rows, shape (n_nodes, dim)."""
        tracks = self.nodes["track"] if self.content is None else self.content()
        others = [self.nodes[kind] for kind in ("artist", "tag", "album")]
        return torch.cat([self.nodes["user"], tracks, *others])


def _sampler(edges: Tensor, settings: EncoderSettings) -> NeighbourSampler:
    """Draws by torch's own generator, which the loop's caller seeds."""
    fan_outs = [settings.fan_out] * settings.n_layers
    weights = weighted_sampling(edges) if settings.weighted_sampling else uniform_sampling(edges)
    return NeighbourSampler(edges, weights, fan_outs, torch.default_generator)
