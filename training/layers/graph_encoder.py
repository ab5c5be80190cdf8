"""Encodes people and tracks by light propagation over what a modality reaches of the graph."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.data.batches import LearningBatch
from training.data.graph import RelationWeights, SocialGraph, adjacency
from training.data.neighbours import (
    NeighbourSampler,
    Otherwise,
    alike,
    by_weight,
    propagate_sampled,
)
from training.layers.cached_embeddings import EncodedOnce
from training.layers.inputs import unit_rows
from training.layers.propagation import propagate


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """Shape of an encoder, and what it goes through.

    Attributes:
        dim: width of its vectors where no content decides it.
        n_layers: steps of propagation.
        relations: weights of the edges.
        fan_out: neighbours drawn of a node for each step of training; 0 takes the whole graph.
        fan_out_by_weight: draw a neighbour the more often, the more its edge carries.
    """

    dim: int
    n_layers: int
    relations: RelationWeights
    fan_out: int
    fan_out_by_weight: bool


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
        """How badly emotion is told from `vectors`, (n, dim), of the tracks at these positions."""


class GraphEncoder(nn.Module):
    """One head: people and tracks, by propagation over what its modality reaches of the graph.

    Tracks enter as their projected features (or their id, for the collaborative one), people as
    their learned preference in this modality. Nothing of any other modality comes in.

    Attributes:
        has_track: tracks with this modality, shape (n_tracks,) bool.
        has_user: people with an edge in this part of the graph, shape (n_users,) bool.
        may_vote: tracks that the head may score, shape (n_tracks,) bool; without content, those
            with a listener.
    """

    adjacency: Tensor
    values_of_first_day: Tensor
    has_track: Tensor
    has_user: Tensor
    may_vote: Tensor

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
            # An edge of weight 0 keeps its place: both matrices have theirs in the same order.
            unheard = replace(settings.relations, listened=0.0, liked=0.0)
            of_first_day = adjacency(graph, unheard, has_track).values()
            if settings.fan_out:
                self.values_of_first_day = of_first_day  # stays on the CPU, where edges are drawn
            else:
                self.register_buffer("values_of_first_day", of_first_day, persistent=False)
        self.register_buffer("has_track", has_track, persistent=False)
        self.register_buffer("has_user", degree[:n_users] > 0, persistent=False)
        may_vote = graph.listener_count() > 0 if content is None else has_track
        self.register_buffer("may_vote", may_vote, persistent=False)
        self.encoded = EncodedOnce(self.forward)
        self._sampler = _sampler(edges, settings) if settings.fan_out else None

    def forward(self) -> tuple[Tensor, Tensor]:
        """Unit vectors of people, shape (n_users, dim), and of tracks, shape (n_tracks, dim)."""
        states = propagate(self.adjacency, self._inputs(), self.n_layers)
        n_users, n_tracks, *_ = self.sizes
        outputs = functional.normalize(states, dim=1)
        return outputs[:n_users], outputs[n_users : n_users + n_tracks]

    def of_batch(self, batch: LearningBatch, newcomers: Tensor | None) -> tuple[Tensor, Tensor]:
        """Unit vectors of a batch's people, shape (batch, dim), and candidates, (candidates, dim).

        From neighbours drawn around them when the settings have a fan-out; all else is equal.

        Args:
            batch: who is learned from, and what is ranked.
            newcomers: tracks to be seen as on their first day, when nobody has heard or liked
                them, shape (n_tracks,) bool. An encoder without content knows nothing of such a
                track and sees all as they are.
        """
        asked = torch.cat([batch.users, self.sizes[0] + batch.candidates])
        first_day = None if self.content is None else self._first_day(newcomers)
        if self._sampler is None:
            edges = self.adjacency if first_day is None else first_day.put_into(self.adjacency)
            states = propagate(edges, self._inputs(), self.n_layers)[asked]
        else:
            around = self._sampler.around(asked.cpu(), first_day).to(asked.device)
            states = propagate_sampled(around, self._inputs()[around.nodes])
        people, tracks = functional.normalize(states, dim=1).split(
            [len(batch.users), len(batch.candidates)]
        )
        return people, tracks

    def _first_day(self, newcomers: Tensor | None) -> Otherwise | None:
        """What edges of these tracks, (n_tracks,) bool, carry when nobody has heard them."""
        if newcomers is None:
            return None
        n_users, _, *others = self.sizes
        nodes = functional.pad(newcomers, (n_users, sum(others)))
        values = self.values_of_first_day
        return Otherwise(nodes.to(values.device), values)

    def _inputs(self) -> Tensor:
        """What nodes enter with, in the order of the adjacency's rows, shape (n_nodes, dim)."""
        tracks = self.nodes["track"] if self.content is None else self.content()
        shared = [self.nodes[kind] for kind in ("artist", "tag", "album")]
        return torch.cat([self.nodes["user"], tracks, *shared])


def _sampler(edges: Tensor, settings: EncoderSettings) -> NeighbourSampler:
    """Draws by torch's own generator, which the loop's caller seeds."""
    fan_outs = [settings.fan_out] * settings.n_layers
    chances = by_weight(edges) if settings.fan_out_by_weight else alike(edges)
    return NeighbourSampler(edges, chances, fan_outs, torch.default_generator)
