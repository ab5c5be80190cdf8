"""Exact top-k lists from scores, with ties cut the same way on every run."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from training.data.interactions import Pairs

SCORE_DECIMALS = 6
_SCALE = 10**SCORE_DECIMALS
_EXCLUDED = torch.iinfo(torch.int64).min
_CHUNK = 64  # tracks compared by their best one first; 32 to 128 took the same time
_SPARE = 16  # entries beyond k, for ties at rank k; a row with more of them is ranked whole


@dataclass(frozen=True, slots=True, eq=False)
class TopK:
    """Best tracks of some listeners, best first.

    Attributes:
        tracks: positions, shape (batch, k).
        scores: rounded to SCORE_DECIMALS, shape (batch, k) float64.
        valid_mask: shape (batch, k) bool; false where a listener has fewer than k tracks.
    """

    tracks: Tensor
    scores: Tensor
    valid_mask: Tensor


def top_k_tracks(scores: Tensor, k: int) -> TopK:
    """The k best by rounded score, equal scores by position, which is the order of track_id.

    Rounding makes scores equal that differ in their last bits, so ties at rank k are cut the
    same way everywhere. Only the best few of a row are rounded and sorted: a track among the k
    best is among the k + _SPARE greatest, unless ties reach beyond those.

    Args:
        scores: shape (batch, n_tracks); -inf takes a track out.
        k: length of the lists; shortened to n_tracks.
    """
    n_tracks = scores.shape[1]
    k = min(k, n_tracks)
    if n_tracks <= k + _SPARE:
        return _in_order(scores, torch.arange(n_tracks, device=scores.device).expand_as(scores), k)
    greatest, columns = _greatest(scores, k + _SPARE)
    ranked = _in_order(greatest, columns, k)
    # The last spare entry ties with rank k: more may tie behind it.
    last, kth = _rounded(greatest[:, -1:]), _rounded(greatest[:, k - 1 : k])
    unsure = ((last == kth) & kth.isfinite()).squeeze(1).nonzero().squeeze(1)
    if not len(unsure):
        return ranked
    everywhere = torch.arange(n_tracks, device=scores.device).expand(len(unsure), -1)
    whole = _in_order(scores[unsure], everywhere, k)
    for part, better in zip(
        (ranked.tracks, ranked.scores, ranked.valid_mask),
        (whole.tracks, whole.scores, whole.valid_mask),
        strict=True,
    ):
        part[unsure] = better
    return ranked


def mask_listened_(scores: Tensor, users: Tensor, listened: Pairs) -> Tensor:
    """Put -inf where a listener had heard a track, in place; returns `scores`.

    Args:
        scores: shape (batch, n_tracks), on the CPU.
        users: positions of their listeners, shape (batch,).
        listened: pairs of these and of other listeners.
    """
    return scores.index_put_(listened.of_users(users), torch.tensor(-torch.inf))


def _greatest(scores: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """The n greatest of each row in descending order, and their columns; shape (batch, n).

    The n greatest lie in the n chunks whose own greatest are greatest, or in what is left behind
    the last chunk: one pass over the row and two small selections find them.
    """
    n_chunks, left = divmod(scores.shape[1], _CHUNK)
    if n_chunks <= n:
        return torch.topk(scores, n, dim=1)
    end = n_chunks * _CHUNK
    chunks = scores[:, :end].unflatten(1, (n_chunks, _CHUNK))
    best = chunks.amax(dim=2).topk(n, dim=1, sorted=False).indices
    inside = chunks.gather(1, best[:, :, None].expand(-1, -1, _CHUNK)).flatten(1)
    of_chunk = best[:, :, None] * _CHUNK + torch.arange(_CHUNK, device=scores.device)
    behind = torch.arange(end, end + left, device=scores.device).expand(len(scores), -1)
    columns = torch.cat([of_chunk.flatten(1), behind], dim=1)
    greatest, among = torch.cat([inside, scores[:, end:]], dim=1).topk(n, dim=1)
    return greatest, columns.gather(1, among)


def _in_order(scores: Tensor, tracks: Tensor, k: int) -> TopK:
    """The k best of the given tracks; score and position go into one integer each.

    Args:
        scores: shape (batch, n).
        tracks: their positions, shape (batch, n).
        k: at most n.
    """
    width = int(tracks.max()) + 1
    rounded = _rounded(scores)
    key = torch.where(
        rounded.isfinite(),
        rounded.nan_to_num(neginf=0).long() * width + (width - 1 - tracks),
        _EXCLUDED,
    )
    best = key.topk(k, dim=1).values
    valid_mask = best != _EXCLUDED
    whole = best.div(width, rounding_mode="floor")
    listed = width - 1 - best.remainder(width)
    return TopK(listed, torch.where(valid_mask, whole.double() / _SCALE, -torch.inf), valid_mask)


def _rounded(scores: Tensor) -> Tensor:
    """Scores in units of the last decimal kept, float64."""
    return torch.round(scores.double() * _SCALE)
