"""Exact top-k lists from scores, with ties cut the same way on every run."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from training.data.interactions import Pairs

SCORE_DECIMALS = 6
_SCALE = 10**SCORE_DECIMALS
_ALL_DECIMALS_BELOW = 2.0**33  # from here on neighbours in float64 differ by more than 1e-6
_CHUNK = 64  # tracks compared by their best one first; 32 to 128 took the same time
_SPARE = 16  # entries beyond k, for ties at rank k; a row with more of them is ranked whole


class InvalidScoreError(ValueError):
    """A score is NaN or +inf, so the tracks of its listener have no order."""


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
        scores: shape (batch, n_tracks), finite; -inf takes a track out.
        k: length of the lists; shortened to n_tracks.

    Raises:
        InvalidScoreError: a score is NaN or +inf.
    """
    n_tracks = scores.shape[1]
    k, n = min(k, n_tracks), min(k + _SPARE, n_tracks)
    greatest, columns = _greatest(scores, n)
    _check_greatest(greatest, scores)
    ranked = _in_order(greatest, columns, n_tracks, k)
    if n == n_tracks:
        return ranked
    # The last spare entry ties with rank k: more may tie behind it.
    last, kth = _rounded(greatest[:, -1]), ranked.scores[:, k - 1]
    unsure = ((last == kth) & kth.isfinite()).nonzero().squeeze(1)
    if len(unsure):
        best, columns = _best_with_first_ties(scores[unsure], kth[unsure], k)
        whole = _in_order(best, columns, n_tracks, k)
        ranked.tracks[unsure], ranked.scores[unsure] = whole.tracks, whole.scores
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
    the last chunk: one pass over the row and two small selections find them. A NaN counts as
    greater than every number in each step, so the first entry of a row with a NaN is NaN.
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


def _check_greatest(greatest: Tensor, scores: Tensor) -> None:
    """Raise InvalidScoreError for NaN or +inf, of which one is the greatest of its row.

    Args:
        greatest: the greatest scores of each row in descending order, shape (batch, n).
        scores: all scores, shape (batch, n_tracks); read only to count the invalid ones.
    """
    invalid = ~(greatest[:, :1] < torch.inf).all(dim=1)
    if invalid.any():
        row = int(invalid.nonzero()[0])
        n_nan, n_inf = int(scores[row].isnan().sum()), int(scores[row].isposinf().sum())
        raise InvalidScoreError(
            f"row {row} of a block of scores: {n_nan} of {scores.shape[1]} are NaN and {n_inf} "
            f"are +inf ({int(invalid.sum())} of {len(scores)} rows have such scores; rule: a score "
            "is finite, or -inf for a track that is taken out); look for NaN or inf in the head "
            "scores, then in the parameters and the features of the model that made them"
        )


def _best_with_first_ties(scores: Tensor, kth: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k best in descending order and their columns; the first of those that tie with rank k.

    Args:
        scores: shape (batch, n_tracks).
        kth: the rounded score at rank k, shape (batch,).
        k: length of the lists.
    """
    n_tracks, rounded, cut = scores.shape[1], _rounded(scores), kth[:, None]
    priority = torch.arange(n_tracks, device=scores.device).where(rounded == cut, n_tracks)
    priority.masked_fill_(rounded > cut, -1)
    columns = priority.topk(k, dim=1, largest=False, sorted=False).indices
    best, order = scores.gather(1, columns).sort(dim=1, descending=True)
    return best, columns.gather(1, order)


def _in_order(scores: Tensor, tracks: Tensor, n_tracks: int, k: int) -> TopK:
    """The k best of the given tracks; equal rounded scores in order of their positions.

    The level among the distinct rounded scores and the position fit into one integer each,
    whatever the size of the scores.

    Args:
        scores: in descending order, shape (batch, n).
        tracks: their positions, shape (batch, n).
        n_tracks: greater than each position.
        k: at most n.
    """
    rounded = _rounded(scores)
    level = torch.zeros_like(tracks)
    level[:, 1:] = (rounded[:, 1:] < rounded[:, :-1]).cumsum(dim=1)
    order = (level * n_tracks + tracks).topk(k, dim=1, largest=False).indices
    best = rounded.gather(1, order)
    return TopK(tracks.gather(1, order), best, best.isfinite())


def _rounded(scores: Tensor) -> Tensor:
    """Scores with SCORE_DECIMALS decimals, float64; they keep the order of the scores.

    A greater score has no more decimals and stays as it is, so that no product overflows.
    """
    exact = scores.double()
    rounded = exact.mul(_SCALE).round_().div_(_SCALE).add_(0.0)  # -0 becomes 0
    return rounded.where(exact.abs() < _ALL_DECIMALS_BELOW, exact)
