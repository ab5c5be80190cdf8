"""iALS: weighted matrix factorisation (Hu, Koren, Volinsky 2008, doi:10.1109/ICDM.2008.22).

Learns a vector for each listener and each track by least squares over all pairs: a listen is a 1
whose confidence grows with its weight, everything else a 0 of confidence 1. Solved by `implicit`.
Differs from the paper: the strength of a listen is its weight in the graph, which grows with the
    logarithm of the count and decays with age, not the count itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from implicit.cpu.als import AlternatingLeastSquares
from scipy.sparse import csr_array, csr_matrix
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from training.data.batches import TrainingBatch, UserBatch
from training.data.dataset import DataView
from training.data.graph import SocialGraph


@dataclass(frozen=True, slots=True)
class IALSConfig:
    """Size, confidence and penalty."""

    dim: int = 64
    n_iterations: int = 15
    alpha: float = 1.0  # confidence in a listen is 1 + alpha x its weight
    l2: float = 10.0
    seed: int = 1  # of the first vectors; here because every construction solves it again


class IALS(nn.Module):
    """score(user, track) = user . track; solved over tonight's view, so nothing is saved."""

    node_tables: Mapping[str, str] = MappingProxyType({})
    users: Tensor
    tracks: Tensor
    has_listener: Tensor

    def __init__(self, config: IALSConfig, view: DataView) -> None:
        super().__init__()
        users, tracks = _solve(config, _confidence(view.graph, config.alpha))
        has_listener = view.graph.listener_count() > 0
        self.register_buffer("users", users, persistent=False)
        self.register_buffer("tracks", tracks, persistent=False)
        self.register_buffer("has_listener", has_listener, persistent=False)

    def training_loss(self, batch: TrainingBatch) -> dict[str, Tensor]:  # noqa: ARG002  solved
        return {}

    def score(self, batch: UserBatch) -> Tensor:
        scores = self.users[batch.users] @ self.tracks.T  # (batch, n_tracks)
        return scores.masked_fill(~self.has_listener, -torch.inf)


def _confidence(graph: SocialGraph, alpha: float) -> csr_matrix:
    """1 + alpha x weight of each listen, shape (n_users, n_tracks); pairs left out count 1."""
    pairs = graph.listened
    confidence = (1 + alpha * pairs.weight).numpy()
    shape = (len(graph.nodes.users), len(graph.nodes.tracks))
    return csr_matrix(
        csr_array((confidence, (pairs.users.numpy(), pairs.tracks.numpy())), shape=shape)
    )


def _solve(config: IALSConfig, confidence: csr_matrix) -> tuple[Tensor, Tensor]:
    """Vectors of listeners and tracks, by exact alternating solutions.

    On one thread: sums in another order would give other bytes.
    """
    with threadpool_limits(limits=1):
        solver = AlternatingLeastSquares(
            factors=config.dim,
            regularization=config.l2,
            alpha=1.0,  # `confidence` contains it already
            iterations=config.n_iterations,
            use_cg=False,
            num_threads=1,
            random_state=config.seed,
            dtype=np.float32,
        )
        solver.fit(confidence, show_progress=False)
    return torch.from_numpy(solver.user_factors), torch.from_numpy(solver.item_factors)
