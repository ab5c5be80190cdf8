"""MHCN: multi-channel hypergraph convolution (Yu et al. 2021, arXiv:2101.06448).

Learns people over three channels of triangles: with two people who know each other as well
(social), with a track that both of two such people listen to (joint), with one that two strangers
listen to (purchase). How much each channel tells of a person is learned, and each channel teaches
by itself: a person should agree with the own neighbourhood more than with a shuffled one.

Differs from the paper:
- The seven social motifs are all kinds of closed triads, and the joint channel's two are all kinds
  of ties with a common track, so their sums are counted at once over undirected ties.
- Ranking is MM-GNN's, a softmax over the candidates of cosines with a temperature, instead of BPR
  with an L2 penalty: HetRec's validation nDCG@10 after 12 epochs .177, with BPR after 30 .169.
- Self-supervision is a mean over people, not a sum.
- Every track has a vector of its own length; nothing bounds the purchase channel, whose entries
  grow with people squared: for data of the size that its authors measured (1,892 to 31,000 people).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

import numpy as np
import torch
from scipy.sparse import csr_array, diags_array, eye_array
from torch import Tensor, nn
from torch.nn import functional

from training.data.batches import LearningBatch, UserBatch
from training.data.dataset import Evidence
from training.data.graph import SocialGraph, csr
from training.layers.cached_embeddings import EncodedOnce
from training.layers.ensemble import Blend, HeadScores, of_only_head
from training.layers.inputs import unit_rows
from training.layers.losses import softmax_ranking
from training.layers.propagation import pass_on

CHANNELS = ("social", "joint", "purchase")
_PLAIN = "plain"  # people over their listens, without hyperedges; half a channel's weight


@dataclass(frozen=True, slots=True)
class MHCNConfig:
    """Size, steps, and weights beside the ranking."""

    dim: int = 64
    n_layers: int = 2
    temperature: float = 0.12  # of the softmax over cosines
    self_supervision: float = 0.01  # weight of a channel's own lesson


class MHCN(nn.Module):
    """score(user, track) = cosine of their vectors, both summed over the layers."""

    head_names = ("collaborative",)
    node_tables: Mapping[str, str] = MappingProxyType({"users": "user", "tracks": "track"})
    has_listener: Tensor

    def __init__(self, config: MHCNConfig, evidence: Evidence) -> None:
        super().__init__()
        self.config = config
        n_users, n_tracks, *_ = evidence.graph.sizes
        self.users = nn.Parameter(unit_rows(n_users, config.dim))
        self.tracks = nn.Parameter(unit_rows(n_tracks, config.dim))
        self.gates = _gates((*CHANNELS, _PLAIN), config.dim)
        self.lesson_gates = _gates(CHANNELS, config.dim)
        self.attention = nn.Sequential(
            nn.Linear(config.dim, config.dim, bias=False), nn.Linear(config.dim, 1, bias=False)
        )
        self.steps = nn.ModuleDict(
            {name: _Step(matrix) for name, matrix in channel_matrices(evidence.graph).items()}
        )
        listens = normalised_listens(evidence.graph)
        self.to_people, self.to_tracks = _Step(listens), _Step(listens.T.tocsr())
        has_listener = evidence.graph.listener_count() > 0
        self.blend = Blend(1)
        self.register_buffer("has_listener", has_listener, persistent=False)
        self._encoded = EncodedOnce(self._propagated)

    def training_loss(self, batch: LearningBatch) -> dict[str, Tensor]:
        """Ranking against the candidates, and one lesson a channel: `lesson.<channel>`."""
        everybody, tracks = self._encoded()
        logits = _cosines(everybody[batch.users], tracks[batch.candidates])
        takes_part = torch.ones_like(batch.candidates, dtype=torch.bool)
        ranking = softmax_ranking(
            logits / self.config.temperature, batch.rows, batch.columns, takes_part
        )
        return {"ranking": ranking} | {
            f"lesson.{name}": self._lesson(name, everybody) for name in CHANNELS
        }

    def head_scores(self, batch: UserBatch) -> HeadScores:
        people, tracks = self._encoded()
        scores = _cosines(people[batch.users], tracks)  # (batch, n_tracks)
        return HeadScores(scores[None], self.has_listener.expand_as(scores)[None])

    def score(self, batch: UserBatch) -> Tensor:
        return of_only_head(self.head_scores(batch))

    def _propagated(self) -> tuple[Tensor, Tensor]:
        """Vectors of people and tracks: the input, and each layer's output at unit length."""
        people = torch.stack([_gated(self.users, self.gates[name]) for name in CHANNELS])
        plain, tracks = _gated(self.users, self.gates[_PLAIN]), self.tracks
        totals = [people, plain, tracks]
        for _ in range(self.config.n_layers):
            told = self._mixed(people) + plain / 2
            people = torch.stack(
                [self.steps[name](vectors) for name, vectors in zip(CHANNELS, people, strict=True)]
            )
            plain, tracks = self.to_people(tracks), self.to_tracks(told)
            layer = (people, plain, tracks)
            totals = [
                total + functional.normalize(new, dim=-1)
                for total, new in zip(totals, layer, strict=True)
            ]
        return self._mixed(totals[0]) + totals[1] / 2, totals[2]

    def _mixed(self, people: Tensor) -> Tensor:
        """Channels of shape (channels, n_users, dim) by each person's attention, (n_users, dim)."""
        share = self.attention(people).softmax(dim=0)  # (channels, n_users, 1)
        return cast("Tensor", (share * people).sum(dim=0))

    def _lesson(self, channel: str, everybody: Tensor) -> Tensor:
        """How little people, neighbourhoods and the whole agree in a channel, beside shuffled ones.

        Reference: equations 9 to 12 of the paper: the person is nearer to the own neighbourhood
        than another person is, who is nearer than noise; a neighbourhood is nearer to the mean of
        all than noise is.
        """
        people = _gated(everybody, self.lesson_gates[channel])
        around = self.steps[channel](people)
        noise = around[_shuffled(len(around), around)][:, _shuffled(around.shape[1], around)]
        own = (people * around).sum(dim=1)
        another = (people[_shuffled(len(people), people)] * around).sum(dim=1)
        whole = around.mean(dim=0)
        local = functional.softplus(another - own)
        local = local + functional.softplus((people * noise).sum(dim=1) - another)
        overall = functional.softplus(noise @ whole - around @ whole)
        return self.config.self_supervision * (local + overall).mean()


class _Step(nn.Module):
    """One step along a constant matrix, kept with its transpose."""

    matrix: Tensor
    transposed: Tensor

    def __init__(self, matrix: csr_array) -> None:
        super().__init__()
        self.register_buffer("matrix", _as_tensor(matrix), persistent=False)
        self.register_buffer("transposed", _as_tensor(matrix.T), persistent=False)

    def forward(self, vectors: Tensor) -> Tensor:
        return pass_on(self.matrix, self.transposed, vectors)


def _cosines(people: Tensor, tracks: Tensor) -> Tensor:
    """Cosine of each person and each track, shape (people, tracks)."""
    return functional.normalize(people) @ functional.normalize(tracks).T


def channel_matrices(graph: SocialGraph) -> dict[str, csr_array]:
    """How many triangles of each channel two people share, each row divided by its sum.

    Purchases count from two common tracks on, as with the authors. Example: a and b follow each
    other, both follow c; a and b share one track: social a-b, a-c, b-c 1 each; joint a-b 1;
    purchase nothing.
    """
    tied, heard = _tied(graph), _heard(graph)
    common = heard @ heard.T  # a person with itself as well
    joint = common.multiply(tied).tocsr()
    strangers = (common - joint - common.multiply(eye_array(common.shape[0]))).tocsr()
    counts = {
        "social": (tied @ tied).multiply(tied).tocsr(),
        "joint": joint,
        "purchase": strangers.multiply(strangers > 1).tocsr(),
    }
    return {name: _by_row_sum(matrix) for name, matrix in counts.items()}


def normalised_listens(graph: SocialGraph) -> csr_array:
    """1 / sqrt(tracks of the person x listeners of the track), shape (n_users, n_tracks)."""
    heard = _heard(graph)
    of_people = 1 / np.sqrt(np.maximum(heard.sum(axis=1), 1))
    of_tracks = 1 / np.sqrt(np.maximum(heard.sum(axis=0), 1))
    return csr_array(diags_array(of_people) @ heard @ diags_array(of_tracks))


def _tied(graph: SocialGraph) -> csr_array:
    """1 where one of two people follows the other; shape (n_users, n_users)."""
    ties, n_users = graph.ties(), len(graph.nodes.users)
    places = (ties.source.numpy(), ties.target.numpy())
    return csr_array((np.ones(len(ties)), places), shape=(n_users, n_users))


def _heard(graph: SocialGraph) -> csr_array:
    """1 where a person heard a track; shape (n_users, n_tracks)."""
    pairs = graph.listened
    shape = (len(graph.nodes.users), len(graph.nodes.tracks))
    places = (pairs.users.numpy(), pairs.tracks.numpy())
    return csr_array((np.ones(len(pairs)), places), shape=shape)


def _by_row_sum(matrix: csr_array) -> csr_array:
    """Rows that sum to 1, or are empty."""
    row_sum = matrix.sum(axis=1)
    return csr_array(diags_array(1 / np.where(row_sum > 0, row_sum, 1)) @ matrix)


def _as_tensor(matrix: csr_array) -> Tensor:
    entries = matrix.tocoo()
    rows, columns = (torch.from_numpy(place.astype(np.int64)) for place in entries.coords)
    values = torch.from_numpy(entries.data.astype(np.float32))
    return csr(rows, columns, values, entries.shape)


def _gates(names: tuple[str, ...], dim: int) -> nn.ModuleDict:
    return nn.ModuleDict({name: nn.Linear(dim, dim) for name in names})


def _gated(vectors: Tensor, gate: nn.Module) -> Tensor:
    """What a gate lets through of each number, between nothing and all."""
    return vectors * cast("Tensor", gate(vectors)).sigmoid()


def _shuffled(n: int, like: Tensor) -> Tensor:
    """The places 0 .. n - 1 in random order, by torch's global generator."""
    return torch.randperm(n, device=like.device)
