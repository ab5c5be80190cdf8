"""MM-GNN: socially aware music recommendation without fusion (Ziaoddini 2025, arXiv:2511.05497).

Learns one graph encoder per modality (audio, lyrics, cover, tags) and a collaborative one, each
with its own ranking head, over one graph of people, tracks, artists, tags and albums. The heads
teach each other by deep mutual learning and meet only in the weighted mean of their calibrated
scores; a track is scored by the heads whose modality it really has.

Differs from the paper:
- The paper states no layers, dimensions, loss weights or splits: those in MMGNNConfig are ours.
- Ranking by softmax over the candidates instead of BPR, over cosines with a temperature.
- Light propagation (no weights on the way) instead of an unspecified graph network.
- Two more peers: an encoder of ids, and EASE with follows and tags, which is solved in closed form
  and so only teaches and votes.
- Emotion is valence and arousal as heard (audio) or as read (lyrics): input and auxiliary target
  of that encoder alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.blending import HeadScores, blend
from training.data.batches import LearningBatch, UserBatch
from training.data.content import Modality
from training.data.graph import RelationWeights, SocialGraph, adjacency
from training.data.neighbours import NeighbourSampler, alike, by_weight, propagate_sampled
from training.data.world import Evidence
from training.layers.encoded_once import EncodedOnce
from training.layers.inputs import mean_and_scale, unit_rows
from training.layers.linear_autoencoder import LinearAutoencoder, LinearSettings
from training.layers.propagation import propagate
from training.losses import mutual_divergence, softmax_ranking

COLLABORATIVE = "collaborative"
LINEAR = "linear"


@dataclass(frozen=True, slots=True)
class MMGNNConfig:
    """Shape of the encoders and weight of each loss."""

    dim: int = 64
    n_layers: int = 3
    fan_out: int = (
        0  # neighbours drawn of a node for each step of training; 0 takes the whole graph
    )
    fan_out_by_weight: bool = False  # not all alike: the more often, the more an edge carries
    temperature: float = 0.15  # of the softmax over cosines; best of .12, .15, .2 on validation
    listened_weight: float = 1.0
    follows_weight: float = 1.0
    made_by_weight: float = 1.0
    tagged_weight: float = 1.0
    liked_weight: float = 1.0
    on_album_weight: float = 1.0
    listened_power: float = 0.0  # 0 counts every pair alike, 1 by its edge weight
    mutual_weight: float = 0.1
    mutual_temperature: float = 1.0  # of the calibrated scores that heads compare
    emotion_weight: float = 0.1  # 0 takes emotion away altogether, as input too
    linear_l2: float = 150.0
    linear_max_tracks: int = 20_000
    linear_listened_power: float = 0.5  # HetRec's validation, with the next line: nDCG@10 .191;
    linear_popularity_power: float = 0.25  # with neither and l2 100, which is EASE, .180
    linear_follows_weight: float = 0.5
    linear_tagged_weight: float = 0.5

    @property
    def relations(self) -> RelationWeights:
        """Weights of the edges."""
        return RelationWeights(
            self.listened_weight,
            self.follows_weight,
            self.made_by_weight,
            self.tagged_weight,
            self.liked_weight,
            self.on_album_weight,
            self.listened_power,
        )

    @property
    def linear(self) -> LinearSettings:
        """Settings of the linear peer."""
        return LinearSettings(
            self.linear_l2,
            self.linear_max_tracks,
            self.linear_listened_power,
            self.linear_popularity_power,
            self.linear_follows_weight,
            self.linear_tagged_weight,
        )


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


def input_per_modality(evidence: Evidence, config: MMGNNConfig) -> dict[str, TrackInput]:
    """One input, and so one encoder and one head, for each modality: nothing is fused."""
    return {name: ContentInput(modality, config.dim) for name, modality in evidence.content.items()}


class MMGNN(nn.Module):
    """Peers over one graph.

    Attributes:
        head_names: the encoders' names, then the linear peer's.
        heads: encoders by name.
    """

    head_weights: Tensor

    def __init__(
        self,
        config: MMGNNConfig,
        evidence: Evidence,
        inputs: Callable[[Evidence, MMGNNConfig], dict[str, TrackInput]] = input_per_modality,
    ) -> None:
        super().__init__()
        if not config.emotion_weight:
            evidence = evidence.without_emotion()
        graph = evidence.graph
        self.config = config
        self._encoders = {COLLABORATIVE: GraphEncoder(config, graph, None)} | {
            name: GraphEncoder(config, graph, content)
            for name, content in inputs(evidence, config).items()
        }
        self.heads = nn.ModuleDict(self._encoders)
        self._linear = LinearAutoencoder(graph, config.linear)
        self.head_names = (*self._encoders, LINEAR)
        self.register_buffer("head_weights", torch.ones(len(self.head_names)))

    @property
    def node_tables(self) -> dict[str, str]:
        """Every embedding table of every encoder."""
        return {
            f"heads.{name}.nodes.{kind}": kind
            for name, encoder in self._encoders.items()
            for kind in encoder.nodes
        }

    def training_loss(self, batch: LearningBatch) -> dict[str, Tensor]:
        """Ranking of each encoder, what it learns from its peers, and emotion: `<loss>.<head>`."""
        losses: dict[str, Tensor] = {}
        scores: dict[str, Tensor] = {}
        takes_part: dict[str, Tensor] = {}
        for name, encoder in self._encoders.items():
            people, tracks = encoder.of_batch(batch)
            scores[name] = people @ tracks.T  # (batch, candidates)
            takes_part[name] = encoder.has_track[batch.candidates]
            logits = scores[name] / self.config.temperature
            losses[f"ranking.{name}"] = softmax_ranking(
                logits, batch.rows, batch.columns, takes_part[name]
            )
            losses |= encoder.emotion_loss(name, tracks, batch.candidates)
        shared = {name: scores[name][:, batch.shared] for name in self._encoders}
        compared = batch.candidates[batch.shared]
        shared[LINEAR] = self._linear.score(batch.users, compared)
        takes_part[LINEAR] = self._linear.covers.to(batch.users.device)[batch.candidates]
        return losses | self._mutual_losses(
            torch.stack([shared[name] for name in self.head_names]),
            torch.stack([takes_part[name][batch.shared] for name in self.head_names]),
        )

    def _mutual_losses(self, scores: Tensor, has: Tensor) -> dict[str, Tensor]:
        """Mean divergence of each encoder from every peer, over the candidates that both have.

        Args:
            scores: shape (heads, batch, shared); the encoders come first, then the linear peer.
            has: shape (heads, shared) bool.
        """
        n_students = len(self._encoders)
        n_peers = has.any(dim=1).sum().clamp(min=2) - 1  # a head without a candidate is silent
        divergences = mutual_divergence(
            scores[:n_students, None],
            scores[None],
            (has[:n_students, None] & has[None])[:, :, None],
            self.config.mutual_temperature,
        )  # (students, teachers); nobody diverges from itself
        means = divergences.sum(dim=1) / n_peers
        return {
            f"mutual.{name}": self.config.mutual_weight * mean
            for name, mean in zip(self._encoders, means, strict=True)
        }

    def head_scores(self, batch: UserBatch) -> HeadScores:
        """Cosines of each encoder, and the linear peer's scores; votes inside the head's graph."""
        scores, votes = [], []
        for encoder in self._encoders.values():
            people, tracks = encoder.encoded()
            scores.append(people[batch.users] @ tracks.T)  # (batch, n_tracks)
            votes.append(encoder.has_user[batch.users, None] & encoder.may_vote)
        scores.append(self._linear.score(batch.users))
        votes.append(self._linear.votes(batch.users))
        return HeadScores(torch.stack(scores), torch.stack(votes))

    def score(self, batch: UserBatch) -> Tensor:
        return blend(self.head_scores(batch), self.head_weights)


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
    has_track: Tensor
    has_user: Tensor
    may_vote: Tensor

    def __init__(self, config: MMGNNConfig, graph: SocialGraph, content: TrackInput | None) -> None:
        super().__init__()
        self.sizes = graph.sizes
        self.n_layers = config.n_layers
        self.emotion_weight = config.emotion_weight
        n_users, n_tracks, n_artists, n_tags, n_albums = graph.sizes
        rows = {"user": n_users, "artist": n_artists, "tag": n_tags, "album": n_albums}
        if content is None:
            rows["track"] = n_tracks
        dim = config.dim if content is None else content.dim
        has_track = torch.ones(n_tracks, dtype=torch.bool) if content is None else content.has
        self.nodes = nn.ParameterDict(
            {kind: nn.Parameter(unit_rows(n_rows, dim)) for kind, n_rows in rows.items()}
        )
        self.content = content
        edges = adjacency(graph, config.relations, has_track)
        degree = edges.crow_indices().diff()
        self.register_buffer("adjacency", edges, persistent=False)
        self.register_buffer("has_track", has_track, persistent=False)
        self.register_buffer("has_user", degree[:n_users] > 0, persistent=False)
        may_vote = graph.listener_count() > 0 if content is None else has_track
        self.register_buffer("may_vote", may_vote, persistent=False)
        self.encoded = EncodedOnce(self.forward)
        self._sampler = _sampler(edges, config) if config.fan_out else None

    def forward(self) -> tuple[Tensor, Tensor]:
        """Unit vectors of people, shape (n_users, dim), and of tracks, shape (n_tracks, dim)."""
        outputs = functional.normalize(self._propagated(), dim=1)
        n_users, n_tracks, *_ = self.sizes
        return outputs[:n_users], outputs[n_users : n_users + n_tracks]

    def of_batch(self, batch: LearningBatch) -> tuple[Tensor, Tensor]:
        """Unit vectors of a batch's people, shape (batch, dim), and candidates, (candidates, dim).

        From neighbours drawn around them when the configuration has a fan-out; all else is equal.
        """
        asked = torch.cat([batch.users, self.sizes[0] + batch.candidates])
        if self._sampler is None:
            states = self._propagated()[asked]
        else:
            around = self._sampler.around(asked.cpu()).to(asked.device)
            states = propagate_sampled(around, self._inputs()[around.nodes])
        people, tracks = functional.normalize(states, dim=1).split(
            [len(batch.users), len(batch.candidates)]
        )
        return people, tracks

    def _propagated(self) -> Tensor:
        """Every node, in the order of the adjacency's rows, shape (n_nodes, dim)."""
        return propagate(self.adjacency, self._inputs(), self.n_layers)

    def emotion_loss(self, name: str, vectors: Tensor, tracks: Tensor) -> dict[str, Tensor]:
        """How badly emotion is told from `vectors`, (n, dim), of tracks at positions; weighted."""
        if self.content is None or not bool(self.content.has_emotion.any()):
            return {}
        error = self.content.emotion_error(vectors, tracks)
        return {f"emotion.{name}": self.emotion_weight * error}

    def _inputs(self) -> Tensor:
        """What nodes enter with, in the order of the adjacency's rows, shape (n_nodes, dim)."""
        tracks = self.nodes["track"] if self.content is None else self.content()
        shared = [self.nodes[kind] for kind in ("artist", "tag", "album")]
        return torch.cat([self.nodes["user"], tracks, *shared])


class ContentInput(nn.Module):
    """A modality's word on a track: projected features, and its own reading of emotion."""

    mean: Tensor
    scale: Tensor
    features: Tensor
    has: Tensor
    emotion: Tensor
    has_emotion: Tensor

    def __init__(self, modality: Modality, dim: int) -> None:
        super().__init__()
        self.dim = dim
        width = modality.embedding.shape[1]
        mean, scale = mean_and_scale(modality)
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)
        self.register_buffer("features", modality.embedding, persistent=False)
        self.register_buffer("has", modality.has, persistent=False)
        self.register_buffer("emotion", modality.emotion, persistent=False)
        self.register_buffer("has_emotion", modality.has_emotion, persistent=False)
        self.project = nn.Linear(width, dim, bias=False)
        self.project_emotion = nn.Linear(2, dim, bias=False)
        self.predict_emotion = nn.Linear(dim, 2)

    def forward(self) -> Tensor:
        """Unit vectors, shape (n_tracks, dim); zeros and no edge where the modality is missing."""
        projected: Tensor = self.project((self.features - self.mean) / self.scale)
        projected = projected + self.project_emotion(self.emotion) * self.has_emotion[:, None]
        vectors: Tensor = functional.normalize(projected, dim=1) * self.has[:, None]
        return vectors

    def emotion_error(self, vectors: Tensor, tracks: Tensor) -> Tensor:
        """Mean squared error of valence and arousal, over those of the tracks that have them.

        Args:
            vectors: shape (n, dim).
            tracks: their positions, shape (n,).
        """
        has = self.has_emotion[tracks]
        predicted: Tensor = self.predict_emotion(vectors[has])
        squared = (predicted - self.emotion[tracks[has]]).square()
        return squared.sum() / max(1, squared.numel())


def _sampler(edges: Tensor, config: MMGNNConfig) -> NeighbourSampler:
    """Draws by torch's own generator, which the loop's caller seeds."""
    fan_outs = [config.fan_out] * config.n_layers
    chances = by_weight(edges) if config.fan_out_by_weight else alike(edges)
    return NeighbourSampler(edges, chances, fan_outs, torch.default_generator)
