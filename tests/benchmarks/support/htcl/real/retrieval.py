"""Retrieval among held-out tracks: windows of the same track, of the same album, and windows by their title.

Every encoder gets the same draws. Windows of a track are no independent queries, so a figure is a mean over tracks, each of which
has the mean of its draws; intervals draw tracks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

DEPTHS = (1, 5, 10)

Recalls = dict[int, Tensor]
"""Recall of each track by depth, shape (n_tracks,); NaN for a track that is no query."""


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """Two windows of each track, several times; positions among the windows, shape (n_draws, n_tracks).

    Attributes:
        queries: windows that look for something.
        targets: windows that are found: another one of the track, or of a track with one window itself.
        has_other: tracks with two windows at least, shape (n_tracks,) bool.
    """

    queries: Tensor
    targets: Tensor
    has_other: Tensor


def draw_windows(track_of: Tensor, n_draws: int, generator: torch.Generator) -> Draws:
    """Draws of windows.

    Args:
        track_of: number of each window's track, from 0, ascending, shape (n_windows,).
        n_draws: how many.
        generator: draws.
    """
    _, sizes = torch.unique_consecutive(track_of, return_counts=True)
    starts = sizes.cumsum(0) - sizes
    first = (torch.rand(n_draws, len(sizes), generator=generator) * sizes).long()
    step = 1 + (torch.rand(n_draws, len(sizes), generator=generator) * (sizes - 1)).long()
    return Draws(starts + first, starts + (first + step) % sizes, sizes > 1)


def same_track_recalls(vectors: Tensor, draws: Draws) -> Recalls:
    """How often a window finds another window of its track among one window of each track.

    Args:
        vectors: unit vectors of the windows, shape (n_windows, dim).
        draws: which windows.
    """
    ranks = torch.stack(
        [
            _ranks_of_diagonal(vectors[queries] @ vectors[targets].T)
            for queries, targets in zip(draws.queries, draws.targets, strict=True)
        ]
    )
    return {
        depth: (ranks < depth).double().mean(dim=0).where(draws.has_other, torch.nan)
        for depth in DEPTHS
    }


def same_album_recalls(vectors: Tensor, draws: Draws, albums: Sequence[str]) -> Recalls:
    """The share of its album's other tracks that a window finds, among one window of each other track.

    Args:
        vectors: as above.
        draws: which windows.
        albums: of each track.
    """
    number = {album: position for position, album in enumerate(dict.fromkeys(albums))}
    album_of = torch.tensor([number[album] for album in albums])
    is_itself = torch.eye(len(albums), dtype=torch.bool)
    is_relevant = (album_of[:, None] == album_of[None]) & ~is_itself
    n_relevant = is_relevant.sum(dim=1)
    found: dict[int, list[Tensor]] = {depth: [] for depth in DEPTHS}
    for queries, targets in zip(draws.queries, draws.targets, strict=True):
        scores = (vectors[queries] @ vectors[targets].T).masked_fill(is_itself, -torch.inf)
        order = scores.argsort(dim=1, descending=True, stable=True)
        is_hit = is_relevant.gather(1, order)
        for depth in DEPTHS:
            found[depth].append(is_hit[:, :depth].sum(dim=1) / n_relevant)
    return {depth: torch.stack(drawn).double().mean(dim=0) for depth, drawn in found.items()}


def title_recalls(titles: Tensor, has_title: Tensor, vectors: Tensor, track_of: Tensor) -> Recalls:
    """Whether a title finds its track, whose score is the mean cosine of its windows.

    Args:
        titles: unit vectors of the tracks' texts, shape (n_tracks, dim).
        has_title: the tracks that are queries, shape (n_tracks,) bool; all are in the pool.
        vectors: unit vectors of the windows, shape (n_windows, dim).
        track_of: number of each window's track, from 0, shape (n_windows,).
    """
    total = torch.zeros(len(titles), vectors.shape[1]).index_add(0, track_of, vectors)
    means = total / torch.bincount(track_of, minlength=len(titles))[:, None]
    ranks = _ranks_of_diagonal(titles @ means.T)
    return {depth: (ranks < depth).double().where(has_title, torch.nan) for depth in DEPTHS}


def centred(vectors: Tensor) -> Tensor:
    """Unit vectors after the mean of all is subtracted, as rec_similar_tracks compares a catalogue's."""
    return F.normalize(vectors - vectors.mean(dim=0), dim=1)


def _ranks_of_diagonal(scores: Tensor) -> Tensor:
    """Candidates before the right one, which is on the diagonal: better, or equal and earlier; (n,)."""
    right = scores.diagonal()[:, None]
    number = torch.arange(len(scores))
    is_earlier = number[None] < number[:, None]
    return ((scores > right) | ((scores == right) & is_earlier)).sum(dim=1)
