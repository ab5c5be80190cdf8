"""BPR: matrix factorisation from pairwise preference (Rendle et al. 2009, arXiv:1205.2618).

Learns a vector for each user and each track, and a bias for each track, so that a heard track ranks
before an unheard one.
Differs from the paper: the triples of a batch are drawn together, one unheard candidate for each
    heard track, and optimised by Adam instead of one triple at a time by plain gradient steps; one
    penalty for vectors of users, of heard and of unheard tracks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.data.batches import TrainingBatch, UserBatch
from training.data.dataset import DataView
from training.engine.distributed import mean_over_batch
from training.layers.inputs import unit_rows


@dataclass(frozen=True, slots=True)
class BPRConfig:
    """Size and penalty."""

    dim: int = 64
    l2: float = 0.01  # on the squared length of a triple's three vectors


class BPR(nn.Module):
    """score(user, track) = user . track + bias of the track."""

    node_tables: Mapping[str, str] = MappingProxyType(
        {"users": "user", "tracks": "track", "biases": "track"}
    )
    has_listener: Tensor

    def __init__(self, config: BPRConfig, view: DataView) -> None:
        super().__init__()
        self.config = config
        n_users, n_tracks, *_ = view.graph.sizes
        self.users = nn.Parameter(unit_rows(n_users, config.dim))
        self.tracks = nn.Parameter(unit_rows(n_tracks, config.dim))
        self.biases = nn.Parameter(torch.zeros(n_tracks))
        has_listener = view.graph.listener_count() > 0
        self.register_buffer("has_listener", has_listener, persistent=False)

    def training_loss(self, batch: TrainingBatch) -> dict[str, Tensor]:
        """Pairwise ranking loss of the triples, and the L2 penalty on their vectors."""
        triples = sample_triples(batch)
        users = self.users[batch.users[triples.rows]]
        listened, unheard = batch.candidates[triples.listened], batch.candidates[triples.unheard]
        preferred = (users * self.tracks[listened]).sum(dim=1) + self.biases[listened]
        other = (users * self.tracks[unheard]).sum(dim=1) + self.biases[unheard]
        compared = torch.cat([users, self.tracks[listened], self.tracks[unheard]], dim=1)
        lengths = mean_over_batch(compared.square().sum(dim=1))
        return {"ranking": pairwise_ranking(preferred, other), "l2": self.config.l2 * lengths}

    def score(self, batch: UserBatch) -> Tensor:
        scores = self.users[batch.users] @ self.tracks.T + self.biases  # (batch, n_tracks)
        return scores.masked_fill(~self.has_listener, -torch.inf)


@dataclass(frozen=True, slots=True, eq=False)
class Triples:
    """Triples of user, heard and unheard track as indices into a batch, shape (triples,) each.

    Attributes:
        rows: row of the user among the batch's users.
        listened: column of a heard track among the candidates.
        unheard: likewise, of an unheard track.
    """

    rows: Tensor
    listened: Tensor
    unheard: Tensor


def sample_triples(batch: TrainingBatch) -> Triples:
    """A negative for each positive, uniform over the candidates that its listener did not hear.

    Drawn by torch's global generator, which the loop's caller seeds; without rejection, so that a
    listener who heard nearly everything costs no more than another. The positives of one who heard
    all candidates are left out.

    Example: candidates 0 to 4, of which the listener heard 1 and 2: the unheard columns are 0, 3,
    4; draw 1 of 0..2 gives 3, because both heard ones come before it.
    """
    n_candidates, n_users = len(batch.candidates), len(batch.users)
    order = torch.argsort(batch.rows * n_candidates + batch.columns)
    rows, listened = batch.rows[order], batch.columns[order]
    count = torch.bincount(rows, minlength=n_users)
    first = count.cumsum(0) - count
    n_unheard = (n_candidates - count)[rows]
    drawn = (torch.rand(len(rows), device=rows.device, dtype=torch.float64) * n_unheard).long()
    # heard[k] - k unheard candidates come before the k-th heard one: greater draws pass it.
    passed_at = listened - (torch.arange(len(rows), device=rows.device) - first[rows])
    width = n_candidates + 1
    n_passed = torch.searchsorted(rows * width + passed_at, rows * width + drawn, right=True)
    unheard = drawn + n_passed - first[rows]
    is_possible = n_unheard > 0
    return Triples(rows[is_possible], listened[is_possible], unheard[is_possible])


def pairwise_ranking(listened: Tensor, unheard: Tensor) -> Tensor:
    """Mean of -ln sigmoid(heard - unheard) over triples, both of shape (triples,).

    Example: equal scores give ln 2.
    """
    return mean_over_batch(functional.softplus(unheard - listened))
