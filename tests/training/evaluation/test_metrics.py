from __future__ import annotations

import math

import numba
import pytest
import torch

from tests.training.datasets import pairs_of
from training.evaluation import metrics
from training.evaluation.top_k import TopK

N_TRACKS = 6
# Three listeners; listener 0 wants tracks 0 and 5, listener 1 wants 2, listener 2 wants 4.
RELEVANT = pairs_of([(0, 0), (0, 5), (1, 2), (2, 4)])
USERS = torch.arange(3)
LISTS = torch.tensor([[0, 1, 5], [3, 2, 1], [1, 2, 3]])
RANKED = TopK(
    LISTS, torch.tensor([[3.0, 2.0, 1.0]] * 3).double(), torch.ones(3, 3, dtype=torch.bool)
)


def hits():
    return metrics.hits(RANKED, USERS, RELEVANT, N_TRACKS)


def test_recall_is_what_was_found_of_what_there_was():
    """At 2: 1 of 2, 1 of 1, 0 of 1: 0.5."""
    assert metrics.recall(*hits(), k=2) == pytest.approx(0.5)


def test_recall_and_ndcg_per_user():
    """Recall 2 of 2, 1 of 1, 0 of 1. nDCG: ranks 1 and 3 of two, (1 + 1/2) / (1 + 1/log2 3); rank 2 of one; nothing."""
    second = 1 / math.log2(3)

    assert metrics.recall_per_user(*hits(), k=3).tolist() == [1, 1, 0]
    assert metrics.ndcg_per_user(*hits(), k=3).tolist() == pytest.approx(
        [1.5 / (1 + second), second, 0]
    )


def test_mrr_looks_at_the_first_hit_only():
    """First hits at ranks 1 and 2, and none: (1 + 1/2 + 0) / 3."""
    assert metrics.mrr(hits()[0]) == pytest.approx(0.5)


def test_our_ranking_metrics_are_those_of_ranx(monkeypatch):
    """recall@3, nDCG@3 and MRR on the same lists, as an independent package computes them."""
    monkeypatch.setattr(numba.config, "DISABLE_JIT", True)  # compiling ranx takes a minute
    import ranx

    relevant = {"0": {"0": 1, "5": 1}, "1": {"2": 1}, "2": {"4": 1}}
    lists = {
        str(user): {str(track): 3.0 - rank for rank, track in enumerate(row)}
        for user, row in enumerate(LISTS.tolist())
    }

    theirs = ranx.evaluate(ranx.Qrels(relevant), ranx.Run(lists), ["recall@3", "ndcg@3", "mrr"])

    is_hit, n_relevant = hits()
    assert metrics.recall(is_hit, n_relevant, 3) == pytest.approx(theirs["recall@3"])
    ndcg = float(metrics.ndcg_per_user(is_hit, n_relevant, 3).mean())
    assert ndcg == pytest.approx(theirs["ndcg@3"])
    assert metrics.mrr(is_hit) == pytest.approx(theirs["mrr"])


def test_coverage_counts_each_listed_track_once():
    """0, 1, 2, 3 and 5 of six."""
    assert metrics.coverage(RANKED, N_TRACKS) == pytest.approx(5 / 6)


def test_novelty_is_the_surprise_of_knowing_a_track():
    """7 listeners, entries with 3 and 0 listeners: (log2(8/4) + log2(8/1)) / 2 = 2."""
    ranked = TopK(torch.tensor([[0, 1]]), torch.zeros(1, 2), torch.ones(1, 2, dtype=torch.bool))

    assert metrics.novelty(ranked, torch.tensor([3, 0]), 7) == pytest.approx(2)


def test_an_invalid_entry_is_no_hit():
    """A list of one track is followed by places that hold no track, whatever number stands there."""
    ranked = TopK(torch.tensor([[3, 2]]), torch.zeros(1, 2), torch.tensor([[True, False]]))

    is_hit, _ = metrics.hits(ranked, torch.tensor([1]), RELEVANT, N_TRACKS)

    assert is_hit.tolist() == [[False, False]]
