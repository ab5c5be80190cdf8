"""From scores to lists: exact, and the same on every run, ties included."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from training.data.interactions import Pairs

SCORE_DECIMALS = 6
_SCALE = 10**SCORE_DECIMALS
_NEVER = torch.iinfo(torch.int64).min
_CHUNK = 64  # tracks compared by their best one first; 32 to 128 took the same time
_SPARE = 16  # places beyond k, for ties at the k-th place; a row with more of them is ranked whole


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

    Rounding makes scores equal that differ in their last bits, so ties at the k-th place are cut
    the same way everywhere. Only the best few of a row are rounded and put in order: whoever is
    among the k best is among the k + _SPARE greatest, unless ties reach beyond those.

    Args:
        scores: shape (batch, n_tracks); -inf takes a track out.
        k: length of the lists; shortened to n_tracks.
    """
    n_tracks = scores.shape[1]
    k = min(k, n_tracks)
    if n_tracks <= k + _SPARE:
        return _in_order(scores, torch.arange(n_tracks, device=scores.device).expand_as(scores), k)
    greatest, places = _greatest(scores, k + _SPARE)
    ranked = _in_order(greatest, places, k)
    # The last spare place ties with the k-th: more may tie behind it.
    last, kth = _rounded(greatest[:, -1:]), _rounded(greatest[:, k - 1 : k])
    unsure = ((last == kth) & kth.isfinite()).squeeze(1).nonzero().squeeze(1)
    if not len(unsure):
        return ranked
    everywhere = torch.arange(n_tracks, device=scores.device).expand(len(unsure), -1)
    whole = _in_order(scores[unsure], everywhere, k)
    for part, better in zip(
        (ranked.tracks, ranked.scores, ranked.is_filled),
        (whole.tracks, whole.scores, whole.is_filled),
        strict=True,
    ):
        part[unsure] = better
    return ranked


def leave_out_(scores: Tensor, users: Tensor, heard: Pairs) -> Tensor:
    """Put -inf where a person had heard a track, in `scores` itself, and give it back.

    Args:
        scores: shape (batch, n_tracks), on the CPU.
        users: their people's positions, shape (batch,).
        heard: pairs of these and of other people.
    """
    return scores.index_put_(heard.of_users(users), torch.tensor(-torch.inf))


def _greatest(scores: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """The n greatest of each row in descending order, and their places; shape (batch, n).

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
    places = torch.cat([of_chunk.flatten(1), behind], dim=1)
    greatest, among = torch.cat([inside, scores[:, end:]], dim=1).topk(n, dim=1)
    return greatest, places.gather(1, among)


def _in_order(scores: Tensor, tracks: Tensor, k: int) -> Ranked:
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
        _NEVER,
    )
    best = key.topk(k, dim=1).values
    is_filled = best != _NEVER
    whole = best.div(width, rounding_mode="floor")
    listed = width - 1 - best.remainder(width)
    return Ranked(listed, torch.where(is_filled, whole.double() / _SCALE, -torch.inf), is_filled)


def _rounded(scores: Tensor) -> Tensor:
    """Scores in units of the last decimal kept, float64."""
    return torch.round(scores.double() * _SCALE)
