"""From scores to lists: exact, and the same on every run, ties included."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

SCORE_DECIMALS = 6
_SCALE = 10**SCORE_DECIMALS
_NEVER = torch.iinfo(torch.int64).min


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """Best tracks of some people, best first.

    Attributes:
        tracks: positions, shape (batch, k).
        scores: rounded to SCORE_DECIMALS, shape (batch, k) float64.
        is_filled: shape (batch, k) bool; false where a person has fewer than k tracks.
    """

    tracks: Tensor
    scores: Tensor
    is_filled: Tensor


def best_tracks(scores: Tensor, k: int) -> Ranked:
    """The k best by rounded score, equal scores by position, which is the order of track_id.

    Score and position go into one integer each, so that ties at the k-th place are cut the same way
    everywhere.

    Args:
        scores: shape (batch, n_tracks); -inf takes a track out.
        k: length of the lists; shortened to n_tracks.
    """
    n_tracks = scores.shape[1]
    rounded = torch.round(scores.double() * _SCALE)
    backwards = n_tracks - 1 - torch.arange(n_tracks, device=scores.device)
    key = torch.where(
        rounded.isfinite(), rounded.nan_to_num(neginf=0).long() * n_tracks + backwards, _NEVER
    )
    best = key.topk(min(k, n_tracks), dim=1).values
    is_filled = best != _NEVER
    tracks = n_tracks - 1 - best.remainder(n_tracks)
    whole = best.div(n_tracks, rounding_mode="floor")
    return Ranked(tracks, torch.where(is_filled, whole.double() / _SCALE, -torch.inf), is_filled)
