"""Item-kNN: tracks like those a listener heard (Sarwar et al. 2001, doi:10.1145/371920.372071).

Learns which tracks share listeners: the cosine between their columns of the 0/1 listening matrix,
    kept for each track's nearest neighbours.
Differs from the paper: listens instead of ratings, so no mean is taken off; a shrinkage term in the
    denominator keeps two tracks with one common listener from being twins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn

from training.data.batches import TrainingBatch, UserBatch
from training.data.dataset import DataView
from training.data.graph import csr

_BLOCK = 1024  # tracks whose neighbours are found at once: bounds the memory at 1,024 x n_tracks


@dataclass(frozen=True, slots=True)
class ItemKNNConfig:
    """How many neighbours, and how far to trust few listeners."""

    n_neighbours: int = 50
    shrinkage: float = 10.0  # listeners


class ItemKNN(nn.Module):
    """score(user, track) = sum of the similarities between the track and the listener's tracks."""

    node_tables: Mapping[str, str] = MappingProxyType({})

    def __init__(self, config: ItemKNNConfig, view: DataView) -> None:
        super().__init__()
        self._listens = view.graph.listen_matrix()
        self._similarity = _neighbours(self._listens, config)

    def training_loss(self, batch: TrainingBatch) -> dict[str, Tensor]:  # noqa: ARG002  solved
        return {}

    def score(self, batch: UserBatch) -> Tensor:
        listened = torch.stack([self._listens[user].to_dense() for user in batch.users.cpu()])
        return (self._similarity @ listened.T).T.to(batch.users.device)  # (batch, n_tracks)


def _neighbours(listened: Tensor, config: ItemKNNConfig) -> Tensor:
    """Similarity of each track to its nearest; sparse CSR, shape (n_tracks, n_tracks)."""
    by_track = listened.to_sparse_coo().T.coalesce().to_sparse_csr()  # (n_tracks, n_users)
    n_tracks = by_track.shape[0]
    length = (by_track @ torch.ones(by_track.shape[1], 1)).sqrt().squeeze(1)
    rows, columns, values = [], [], []
    for block in torch.arange(n_tracks).split(_BLOCK):
        listeners = torch.stack([by_track[track].to_dense() for track in block])
        common = (by_track @ listeners.T).T  # (block, n_tracks)
        similarity = common / (length[block, None] * length + config.shrinkage)
        similarity[torch.arange(len(block)), block] = 0
        nearest = similarity.topk(min(config.n_neighbours, n_tracks), dim=1)
        rows.append(block.repeat_interleave(nearest.indices.shape[1]))
        columns.append(nearest.indices.flatten())
        values.append(nearest.values.flatten())
    return csr(torch.cat(rows), torch.cat(columns), torch.cat(values), (n_tracks, n_tracks))
