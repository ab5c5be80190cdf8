"""Ranking metrics: recall, nDCG, MRR, coverage and novelty of top-k lists.

Every metric is a mean over the listeners who have a relevant track. `ranked.tracks` are positions,
best first, shape (n_users, k); `ranked.valid_mask` is false where a list is shorter; `is_hit` says
whether the track at a rank is relevant; `n_relevant` counts the relevant tracks of each listener.
"""

from __future__ import annotations

import torch
from torch import Tensor

from training.data.interactions import Pairs
from training.evaluation.top_k import TopK


def hits(ranked: TopK, users: Tensor, relevant: Pairs, n_tracks: int) -> tuple[Tensor, Tensor]:
    """Which entries are relevant, (n_users, k) bool, and how many tracks are, (n_users,).

    Args:
        ranked: lists of `users`, in their order.
        users: positions, ascending, shape (n_users,).
        relevant: relevant pairs, of these and maybe of other listeners.
        n_tracks: size of the catalogue.
    """
    keys = users[:, None] * n_tracks + ranked.tracks
    is_hit = torch.isin(keys, relevant.users * n_tracks + relevant.tracks) & ranked.valid_mask
    mine = relevant.users[torch.isin(relevant.users, users)]
    return is_hit, torch.bincount(torch.searchsorted(users, mine), minlength=len(users))


def recall(is_hit: Tensor, n_relevant: Tensor, k: int) -> float:
    """Mean of `recall_per_user`."""
    return float(recall_per_user(is_hit, n_relevant, k).mean())


def recall_per_user(is_hit: Tensor, n_relevant: Tensor, k: int) -> Tensor:
    """Hits among the first k, divided by the number of relevant tracks; shape (n_users,).

    Example: 2 of 4 found among the first k: 0.5.
    """
    return is_hit[:, :k].sum(dim=1) / n_relevant


def ndcg_per_user(is_hit: Tensor, n_relevant: Tensor, k: int) -> Tensor:
    """Sum over hits of 1 / log2(rank + 1), divided by its best value; shape (n_users,).

    Example: one relevant, at rank 2: 1 / log2(3) = 0.631. Two relevant, at ranks 1 and 3:
    (1 + 1/2) / (1 + 0.631) = 0.920. Reference: Järvelin, Kekäläinen 2002.
    """
    length = min(k, is_hit.shape[1])
    gain = 1 / torch.log2(torch.arange(k, dtype=torch.float64) + 2)
    found = (is_hit[:, :length] * gain[:length]).sum(dim=1)
    ideal = gain.cumsum(0)[n_relevant.clamp(max=k) - 1]
    return found / ideal


def mrr(is_hit: Tensor) -> float:
    """Mean of 1 / rank of the first hit; 0 for a list without one.

    Example: first hits at ranks 1 and 4, and a list without: (1 + 1/4 + 0) / 3 = 0.417.
    """
    rank = torch.arange(1, is_hit.shape[1] + 1, dtype=torch.float64)
    return float((is_hit / rank).amax(dim=1).mean())


def coverage(ranked: TopK, n_tracks: int) -> float:
    """Distinct tracks in all lists, divided by the catalogue that they were drawn from.

    Example: lists (a, b) and (a, c) of 4 tracks: 3/4.
    """
    return len(ranked.tracks[ranked.valid_mask].unique()) / n_tracks


def novelty(ranked: TopK, listener_count: Tensor, n_users: int) -> float:
    """Mean over entries of -log2 of the share who know the track: (listeners + 1) / (n_users + 1).

    The ones keep an unheard track finite. Example: 7 users, entries with 3 and 0
    listeners: (log2(8/4) + log2(8/1)) / 2 = 2.
    """
    listeners = listener_count[ranked.tracks[ranked.valid_mask]].double()
    return float(-torch.log2((listeners + 1) / (n_users + 1)).mean())
