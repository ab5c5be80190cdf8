"""MHCN: multi-channel hypergraph convolution (Yu et al. 2021, arXiv:2101.06448).

Learns user embeddings over three channels of triangles: three users with follow ties (social), two
users with a tie and a common track (joint), two users without a tie and a common track (purchase).
Attention weights the channels for each user, and each channel has a self-supervised loss: a user
should agree with the own neighbourhood more than with a shuffled one.

Differs from the paper:
- The seven social motifs are all kinds of closed triads, and the joint channel's two are all kinds
  of ties with a common track, so their sums are counted at once over undirected ties.
- Ranking is MM-GNN's, a softmax over the candidates of cosines with a temperature, instead of BPR
  with an L2 penalty: HetRec's validation nDCG@10 after 12 epochs .177, with BPR after 30 .169.
- Self-supervision is a mean over listeners, not a sum.
- Every track has a vector of its own length; nothing bounds the purchase channel, whose entries
  grow with users squared: for data of the size that its authors measured (1,892 to 31,000 users).
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

from training.data.batches import TrainingBatch, UserBatch
from training.data.dataset import DataView
from training.data.graph import SocialGraph, csr
from training.layers.cached_embeddings import CachedEmbeddings
from training.layers.inputs import unit_rows
from training.layers.losses import softmax_ranking
from training.layers.propagation import spmm

CHANNELS = ("social", "joint", "purchase")
_PLAIN = "plain"  # listeners over their listens, without hyperedges; half a channel's weight


@dataclass(frozen=True, slots=True)
class MHCNConfig:
    """Size, steps, temperature, and weight of self-supervision."""

    dim: int = 64
    n_layers: int = 2
    temperature: float = 0.12  # of the softmax over cosines
    self_supervision: float = 0.01  # weight of each channel's self-supervised loss


class MHCN(nn.Module):
    """score(user, track) = cosine of their vectors, both summed over the layers."""

    node_tables: Mapping[str, str] = MappingProxyType({"users": "user", "tracks": "track"})
    has_listener: Tensor

    def __init__(self, config: MHCNConfig, view: DataView) -> None:
        super().__init__()
        self.config = config
        n_users, n_tracks, *_ = view.graph.sizes
        self.users = nn.Parameter(unit_rows(n_users, config.dim))
        self.tracks = nn.Parameter(unit_rows(n_tracks, config.dim))
        self.gates = _gates((*CHANNELS, _PLAIN), config.dim)
        self.self_supervision_gates = _gates(CHANNELS, config.dim)
        self.attention = nn.Sequential(
            nn.Linear(config.dim, config.dim, bias=False), nn.Linear(config.dim, 1, bias=False)
        )
        self.steps = nn.ModuleDict(
            {name: _SparseProduct(matrix) for name, matrix in channel_matrices(view.graph).items()}
        )
        listens = normalised_listens(view.graph)
        self.to_users, self.to_tracks = _SparseProduct(listens), _SparseProduct(listens.T.tocsr())
        has_listener = view.graph.listener_count() > 0
        self.register_buffer("has_listener", has_listener, persistent=False)
        self._encoded = CachedEmbeddings(self._propagated)

    def training_loss(self, batch: TrainingBatch) -> dict[str, Tensor]:
        """Ranking, and one self-supervised loss a channel: `self_supervision.<channel>`."""
        all_users, tracks = self._encoded()
        logits = _cosines(all_users[batch.users], tracks[batch.candidates])
        candidate_mask = torch.ones_like(batch.candidates, dtype=torch.bool)
        ranking = softmax_ranking(
            logits / self.config.temperature, batch.rows, batch.columns, candidate_mask
        )
        return {"ranking": ranking} | {
            f"self_supervision.{name}": self._self_supervision_loss(name, all_users)
            for name in CHANNELS
        }

    def score(self, batch: UserBatch) -> Tensor:
        users, tracks = self._encoded()
        scores = _cosines(users[batch.users], tracks)  # (batch, n_tracks)
        return scores.masked_fill(~self.has_listener, -torch.inf)

    def _propagated(self) -> tuple[Tensor, Tensor]:
        """Vectors of listeners and tracks: the input, and each layer's output at unit length."""
        users = torch.stack([_gated(self.users, self.gates[name]) for name in CHANNELS])
        plain, tracks = _gated(self.users, self.gates[_PLAIN]), self.tracks
        totals = [users, plain, tracks]
        for _ in range(self.config.n_layers):
            mixed = self._mixed(users) + plain / 2
            users = torch.stack(
                [self.steps[name](vectors) for name, vectors in zip(CHANNELS, users, strict=True)]
            )
            plain, tracks = self.to_users(tracks), self.to_tracks(mixed)
            layer = (users, plain, tracks)
            totals = [
                total + functional.normalize(new, dim=-1)
                for total, new in zip(totals, layer, strict=True)
            ]
        return self._mixed(totals[0]) + totals[1] / 2, totals[2]

    def _mixed(self, users: Tensor) -> Tensor:
        """Channels, shape (channels, n_users, dim), weighted by attention; shape (n_users, dim)."""
        share = self.attention(users).softmax(dim=0)  # (channels, n_users, 1)
        return cast("Tensor", (share * users).sum(dim=0))

    def _self_supervision_loss(self, channel: str, all_users: Tensor) -> Tensor:
        """Self-supervised loss of a channel: users and neighbourhoods against shuffled ones.

        Reference: equations 9 to 12 of the paper: a user is nearer to the own neighbourhood than
        another user is, and the other user is nearer than noise; a neighbourhood is nearer to the
        mean of all than noise is.
        """
        users = _gated(all_users, self.self_supervision_gates[channel])
        around = self.steps[channel](users)
        noise = around[_permutation(len(around), around)][:, _permutation(around.shape[1], around)]
        own = (users * around).sum(dim=1)
        another = (users[_permutation(len(users), users)] * around).sum(dim=1)
        whole = around.mean(dim=0)
        local = functional.softplus(another - own)
        local = local + functional.softplus((users * noise).sum(dim=1) - another)
        overall = functional.softplus(noise @ whole - around @ whole)
        return self.config.self_supervision * (local + overall).mean()


class _SparseProduct(nn.Module):
    """One step along a constant matrix, kept with its transpose."""

    matrix: Tensor
    transposed: Tensor

    def __init__(self, matrix: csr_array) -> None:
        super().__init__()
        self.register_buffer("matrix", _as_tensor(matrix), persistent=False)
        self.register_buffer("transposed", _as_tensor(matrix.T), persistent=False)

    def forward(self, vectors: Tensor) -> Tensor:
        return spmm(self.matrix, self.transposed, vectors)


def _cosines(users: Tensor, tracks: Tensor) -> Tensor:
    """Cosine of each user and each track, shape (users, tracks)."""
    return functional.normalize(users) @ functional.normalize(tracks).T


def channel_matrices(graph: SocialGraph) -> dict[str, csr_array]:
    """How many triangles of each channel two listeners share, each row divided by its sum.

    Purchases count from two common tracks on, as with the authors. Example: a and b follow each
    other, both follow c; a and b share one track: social a-b, a-c, b-c 1 each; joint a-b 1;
    purchase nothing.
    """
    tied, heard = _tied(graph), _listen_matrix(graph)
    common = heard @ heard.T  # each user with itself as well
    joint = common.multiply(tied).tocsr()
    strangers = (common - joint - common.multiply(eye_array(common.shape[0]))).tocsr()
    counts = {
        "social": (tied @ tied).multiply(tied).tocsr(),
        "joint": joint,
        "purchase": strangers.multiply(strangers > 1).tocsr(),
    }
    return {name: _by_row_sum(matrix) for name, matrix in counts.items()}


def normalised_listens(graph: SocialGraph) -> csr_array:
    """1 / sqrt(tracks of the listener x listeners of the track), shape (n_users, n_tracks)."""
    heard = _listen_matrix(graph)
    of_users = 1 / np.sqrt(np.maximum(heard.sum(axis=1), 1))
    of_tracks = 1 / np.sqrt(np.maximum(heard.sum(axis=0), 1))
    return csr_array(diags_array(of_users) @ heard @ diags_array(of_tracks))


def _tied(graph: SocialGraph) -> csr_array:
    """1 where one of two listeners follows the other; shape (n_users, n_users)."""
    ties, n_users = graph.ties(), len(graph.nodes.users)
    coordinates = (ties.source.numpy(), ties.target.numpy())
    return csr_array((np.ones(len(ties)), coordinates), shape=(n_users, n_users))


def _listen_matrix(graph: SocialGraph) -> csr_array:
    """1 where a listener heard a track; shape (n_users, n_tracks)."""
    pairs = graph.listened
    shape = (len(graph.nodes.users), len(graph.nodes.tracks))
    coordinates = (pairs.users.numpy(), pairs.tracks.numpy())
    return csr_array((np.ones(len(pairs)), coordinates), shape=shape)


def _by_row_sum(matrix: csr_array) -> csr_array:
    """Rows that sum to 1, or are empty."""
    row_sum = matrix.sum(axis=1)
    return csr_array(diags_array(1 / np.where(row_sum > 0, row_sum, 1)) @ matrix)


def _as_tensor(matrix: csr_array) -> Tensor:
    entries = matrix.tocoo()
    rows, columns = (torch.from_numpy(index.astype(np.int64)) for index in entries.coords)
    values = torch.from_numpy(entries.data.astype(np.float32))
    return csr(rows, columns, values, entries.shape)


def _gates(names: tuple[str, ...], dim: int) -> nn.ModuleDict:
    return nn.ModuleDict({name: nn.Linear(dim, dim) for name in names})


def _gated(vectors: Tensor, gate: nn.Module) -> Tensor:
    """Each number times its gate, between 0 and 1."""
    return vectors * cast("Tensor", gate(vectors)).sigmoid()


def _permutation(n: int, like: Tensor) -> Tensor:
    """The indices 0 .. n - 1 in random order, by torch's global generator."""
    return torch.randperm(n, device=like.device)
