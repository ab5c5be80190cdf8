"""Recall, nDCG, coverage and novelty of recommendations, overall and by segment."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from scipy import stats
from torch import Tensor

from training.data.dataset import Dataset, DataView
from training.data.interactions import Pairs
from training.evaluation import metrics
from training.evaluation.evaluator import CUT_OFF, Recommendations
from training.evaluation.significance import CONFIDENCE, Difference
from training.evaluation.splits import Split

FEW_FOLLOWS = 3
HEAD_SHARE = 0.2  # of the candidate tracks, most heard first; all other tracks are the tail


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """Listeners and tracks that are hard to recommend to, or to recommend.

    Attributes:
        few_listens: the quarter of listeners with the fewest training listens, (n_users,) bool.
        few_follows: listeners with fewer than FEW_FOLLOWS neighbours by follows, (n_users,) bool.
        tail: tracks outside the most heard HEAD_SHARE, shape (n_tracks,) bool.
        cold: tracks without any listener, shape (n_tracks,) bool.
        missing: tracks that lack a modality that other tracks have, shape (n_tracks,) bool.
        listener_count: listeners of each track, shape (n_tracks,).
        n_candidates: tracks that lists may hold.
    """

    few_listens: Tensor
    few_follows: Tensor
    tail: Tensor
    cold: Tensor
    missing: Tensor
    listener_count: Tensor
    n_candidates: int


@dataclass(frozen=True, slots=True, eq=False)
class ListMetrics:
    """Metrics of recommendations.

    Attributes:
        values: means by name.
        per_user: recall and nDCG of each listener, and recall in the tail and among cold tracks,
            shape (n_users,); NaN where the listener has no relevant track.
    """

    values: dict[str, float]
    per_user: dict[str, Tensor]


def segments_of(dataset: Dataset, split: Split, view: DataView) -> Segments:
    """Segments by what a model sees at the test; `few_listens` by the training data."""
    graph = view.graph
    n_users, n_tracks = len(dataset.nodes.users), dataset.n_tracks
    before = split.validation.before
    listens = torch.zeros(n_users, dtype=torch.int64)
    listens.index_add_(0, before.users, before.listen_count)
    fewest_first = torch.argsort(listens, stable=True)
    few_listens = torch.zeros(n_users, dtype=torch.bool)
    few_listens[fewest_first[listens[fewest_first] > 0][: int((listens > 0).sum()) // 4]] = True
    n_candidates = int(split.sealed_test.available_mask.sum())
    n_neighbours = torch.bincount(graph.ties().source, minlength=n_users)
    listener_count = torch.bincount(graph.listened.tracks, minlength=n_tracks)
    most_heard = torch.argsort(listener_count, descending=True, stable=True)
    tail = torch.ones(n_tracks, dtype=torch.bool)
    tail[most_heard[: int(HEAD_SHARE * n_candidates)]] = False
    missing = torch.zeros(n_tracks, dtype=torch.bool)
    for modality in view.content.values():
        if bool(modality.has.any()):
            missing |= ~modality.has
    return Segments(
        few_listens,
        few_follows=n_neighbours < FEW_FOLLOWS,
        tail=tail,
        cold=listener_count == 0,
        missing=missing,
        listener_count=listener_count,
        n_candidates=n_candidates,
    )


def list_metrics(listed: Recommendations, segments: Segments) -> ListMetrics:
    """Means over all listeners, over listeners of a segment, and over relevant tracks of a segment."""
    n_users = len(segments.few_listens)
    all_tracks = torch.ones_like(segments.tail)
    recall, ndcg = recall_and_ndcg_among(listed, all_tracks, n_users)
    per_user = {
        "recall_at_10": recall,
        "ndcg_at_10": ndcg,
        "tail_recall_at_10": recall_and_ndcg_among(listed, segments.tail, n_users)[0],
        "cold_recall_at_10": recall_and_ndcg_among(listed, segments.cold, n_users)[0],
    }
    values = {name: _mean(of_users) for name, of_users in per_user.items()} | {
        "few_listens_recall_at_10": _mean(recall[segments.few_listens]),
        "few_follows_recall_at_10": _mean(recall[segments.few_follows]),
        "missing_recall_at_10": _mean(recall_and_ndcg_among(listed, segments.missing, n_users)[0]),
        "coverage": metrics.coverage(listed.ranked, segments.n_candidates),
        "novelty": metrics.novelty(listed.ranked, segments.listener_count, n_users),
    }
    return ListMetrics(values, per_user)


def recall_and_ndcg_among(
    listed: Recommendations, track_mask: Tensor, n_users: int
) -> tuple[Tensor, Tensor]:
    """Recall and nDCG of each listener over the relevant tracks in `track_mask`.

    Args:
        listed: recommendations and relevant pairs.
        track_mask: shape (n_tracks,) bool.
        n_users: listeners of the data set.

    Returns:
        Both of shape (n_users,); NaN where the listener has no relevant track in the mask.
    """
    relevant: Pairs = listed.relevant.where(track_mask[listed.relevant.tracks])
    is_hit, n_relevant = metrics.hits(listed.ranked, listed.users, relevant, len(track_mask))
    has_relevant = n_relevant > 0
    is_hit, n_relevant = is_hit[has_relevant], n_relevant[has_relevant]
    users = listed.users[has_relevant]
    recall, ndcg = torch.full((2, n_users), torch.nan, dtype=torch.float64)
    recall[users] = metrics.recall_per_user(is_hit, n_relevant, CUT_OFF).double()
    ndcg[users] = metrics.ndcg_per_user(is_hit, n_relevant, CUT_OFF)
    return recall, ndcg


def student_interval(differences: Sequence[float]) -> Difference:
    """Mean of the differences between two families over worlds, with Student's interval.

    Raises:
        ValueError: a single world has no interval.
    """
    if len(differences) < 2:
        raise ValueError(
            f"an interval needs 2 worlds, here is {len(differences)}; take --seeds 2 or more"
        )
    ends = stats.ttest_1samp(differences, 0).confidence_interval(CONFIDENCE)
    return Difference(statistics.fmean(differences), float(ends.low), float(ends.high))


def _mean(values: Tensor) -> float:
    """Mean without NaN; NaN if every value is NaN."""
    return float(values.nanmean())
