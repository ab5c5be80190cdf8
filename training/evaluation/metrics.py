"""How good lists are. Every metric is a mean over the people who have something to be found.

In all of them `tracks` are lists of positions, best first, shape (n_users, k); `is_filled` is false
where a list is shorter; `is_hit` says whether the track at a place is one to be found; `n_relevant`
counts those of each person.
"""

from __future__ import annotations

import torch
from torch import Tensor

from training.data.interactions import Pairs
from training.evaluation.top_k import Ranked


def hits(ranked: Ranked, users: Tensor, wanted: Pairs, n_tracks: int) -> tuple[Tensor, Tensor]:
    """Which entries were to be found, shape (n_users, k) bool, and how many were, shape (n_users,).

    Args:
        ranked: lists of `users`, in their order.
        users: positions, ascending, shape (n_users,).
        wanted: pairs to be found, of these and maybe of other people.
        n_tracks: size of the catalogue.
    """
    keys = users[:, None] * n_tracks + ranked.tracks
    is_hit = torch.isin(keys, wanted.users * n_tracks + wanted.tracks) & ranked.is_filled
    mine = wanted.users[torch.isin(wanted.users, users)]
    return is_hit, torch.bincount(torch.searchsorted(users, mine), minlength=len(users))


def recall(is_hit: Tensor, n_relevant: Tensor, k: int) -> float:
    """Mean of `recall_of_each`."""
    return float(recall_of_each(is_hit, n_relevant, k).mean())


def recall_of_each(is_hit: Tensor, n_relevant: Tensor, k: int) -> Tensor:
    """Hits among the first k, divided by the number to be found; shape (n_users,).

    Example: 2 of 4 found among the first k: 0.5.
    """
    return is_hit[:, :k].sum(dim=1) / n_relevant


def ndcg_of_each(is_hit: Tensor, n_relevant: Tensor, k: int) -> Tensor:
    """Sum over hits of 1 / log2(rank + 1), divided by its best value; shape (n_users,).

    Example: one to be found, at rank 2: 1 / log2(3) = 0.631. Two to be found, at ranks 1 and 3:
    (1 + 1/2) / (1 + 0.631) = 0.920. Reference: Järvelin, Kekäläinen 2002.
    """
    places = min(k, is_hit.shape[1])
    gain = 1 / torch.log2(torch.arange(k, dtype=torch.float64) + 2)
    found = (is_hit[:, :places] * gain[:places]).sum(dim=1)
    ideal = gain.cumsum(0)[n_relevant.clamp(max=k) - 1]
    return found / ideal


def mrr(is_hit: Tensor) -> float:
    """Mean of 1 / rank of the first hit; 0 for a list without one.

    Example: first hits at ranks 1 and 4, and a list without: (1 + 1/4 + 0) / 3 = 0.417.
    """
    rank = torch.arange(1, is_hit.shape[1] + 1, dtype=torch.float64)
    return float((is_hit / rank).amax(dim=1).mean())


def coverage(ranked: Ranked, n_tracks: int) -> float:
    """Distinct tracks in all lists, divided by the catalogue that they were drawn from.

    Example: lists (a, b) and (a, c) of 4 tracks: 3/4.
    """
    return len(ranked.tracks[ranked.is_filled].unique()) / n_tracks


def novelty(ranked: Ranked, listener_count: Tensor, n_users: int) -> float:
    """Mean over entries of -log2 of the share who know the track: (listeners + 1) / (people + 1).

    The ones keep a track that nobody heard finite. Example: 7 people, entries with 3 and 0
    listeners: (log2(8/4) + log2(8/1)) / 2 = 2.
    """
    listeners = listener_count[ranked.tracks[ranked.is_filled]].double()
    return float(-torch.log2((listeners + 1) / (n_users + 1)).mean())
