"""Figures of lists, whole and by segment."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from scipy import stats
from torch import Tensor

from training.data.dataset import Evidence, World
from training.data.interactions import Pairs
from training.evaluation import metrics
from training.evaluation.evaluator import CUT_OFF, Listed
from training.evaluation.significance import CONFIDENCE, Difference
from training.evaluation.splits import Split

FEW_FOLLOWS = 3
HEAD_SHARE = 0.2  # of what lists may hold, most heard first; the rest is the tail


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """Who and what is hard to recommend to, and to recommend.

    Attributes:
        few_listens: the quarter of people with the fewest listens to learn from, (n_users,) bool.
        few_follows: people with fewer than FEW_FOLLOWS others at either end of a follow, likewise.
        tail: tracks outside the most heard HEAD_SHARE, shape (n_tracks,) bool.
        cold: tracks that nobody heard, likewise.
        missing: tracks that lack a modality which others have, likewise.
        listeners: of each track, shape (n_tracks,).
        n_listable: tracks that lists may hold.
    """

    few_listens: Tensor
    few_follows: Tensor
    tail: Tensor
    cold: Tensor
    missing: Tensor
    listeners: Tensor
    n_listable: int


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """What lists are worth.

    Attributes:
        values: by name.
        of_each: recall and nDCG, and recall in the tail and among cold tracks, of each person, shape (n_users,); NaN for
            whom nothing is to be found there.
    """

    values: dict[str, float]
    of_each: dict[str, Tensor]


def segments_of(world: World, split: Split, evidence: Evidence) -> Segments:
    """Segments by what a model knows at the test; few listens by what it learned from."""
    graph = evidence.graph
    n_users, n_tracks = len(world.nodes.users), world.n_tracks
    before = split.validation.before
    listens = torch.zeros(n_users, dtype=torch.int64)
    listens.index_add_(0, before.users, before.listen_count)
    heard_somewhat = torch.argsort(listens, stable=True)
    few_listens = torch.zeros(n_users, dtype=torch.bool)
    few_listens[heard_somewhat[listens[heard_somewhat] > 0][: int((listens > 0).sum()) // 4]] = True
    n_listable = int(split.sealed_test.had_come.sum())
    n_others = torch.bincount(graph.ties().source, minlength=n_users)
    listeners = torch.bincount(graph.listened.tracks, minlength=n_tracks)
    most_heard = torch.argsort(listeners, descending=True, stable=True)
    tail = torch.ones(n_tracks, dtype=torch.bool)
    tail[most_heard[: int(HEAD_SHARE * n_listable)]] = False
    missing = torch.zeros(n_tracks, dtype=torch.bool)
    for modality in evidence.content.values():
        if bool(modality.has.any()):
            missing |= ~modality.has
    is_lonely = n_others < FEW_FOLLOWS
    return Segments(few_listens, is_lonely, tail, listeners == 0, missing, listeners, n_listable)


def figures_of(listed: Listed, segments: Segments) -> Figures:
    """Means over everybody, over people of a segment, and over what is to be found in a segment."""
    n_users = len(segments.few_listens)
    everything = torch.ones_like(segments.tail)
    recall, ndcg = found_among(listed, everything, n_users)
    of_each = {
        "recall_at_10": recall,
        "ndcg_at_10": ndcg,
        "tail_recall_at_10": found_among(listed, segments.tail, n_users)[0],
        "cold_recall_at_10": found_among(listed, segments.cold, n_users)[0],
    }
    values = {name: _mean(figures) for name, figures in of_each.items()} | {
        "few_listens_recall_at_10": _mean(recall[segments.few_listens]),
        "few_follows_recall_at_10": _mean(recall[segments.few_follows]),
        "missing_recall_at_10": _mean(found_among(listed, segments.missing, n_users)[0]),
        "coverage": metrics.coverage(listed.ranked, segments.n_listable),
        "novelty": metrics.novelty(listed.ranked, segments.listeners, n_users),
    }
    return Figures(values, of_each)


def over_worlds(differences: Sequence[float]) -> Difference:
    """Mean of what one family has more than another in each world, and Student's interval over worlds.

    Raises:
        ValueError: a single world has no interval.
    """
    if len(differences) < 2:
        raise ValueError(
            f"an interval needs 2 worlds, here is {len(differences)}; take --seeds 2 or more"
        )
    found = stats.ttest_1samp(differences, 0).confidence_interval(CONFIDENCE)
    return Difference(statistics.fmean(differences), float(found.low), float(found.high))


def found_among(listed: Listed, tracks: Tensor, n_users: int) -> tuple[Tensor, Tensor]:
    """Recall and nDCG of what is to be found among `tracks`, (n_users,) each; NaN for who has nothing there."""
    wanted: Pairs = listed.wanted.where(tracks[listed.wanted.tracks])
    is_hit, n_wanted = metrics.hits(listed.ranked, listed.users, wanted, len(tracks))
    concerned = n_wanted > 0
    is_hit, n_wanted, users = is_hit[concerned], n_wanted[concerned], listed.users[concerned]
    recall, ndcg = torch.full((2, n_users), torch.nan, dtype=torch.float64)
    recall[users] = metrics.recall_of_each(is_hit, n_wanted, CUT_OFF).double()
    ndcg[users] = metrics.ndcg_of_each(is_hit, n_wanted, CUT_OFF)
    return recall, ndcg


def _mean(figures: Tensor) -> float:
    """Mean of what was measured; NaN when nothing was."""
    return float(figures.nanmean())
