"""Evaluation by held-out listens: figures that were worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from tests.training.datasets import CPU, listens_on, pairs_of
from tests.training.tasks.mood_worlds import HAPPY, MARCH_1, SAD, listen_moods, track_moods
from training.data.mood import MoodHoldout
from training.evaluation import mood_ranking
from training.evaluation.mood_ranking import MoodEvaluator, evenly_spread
from training.evaluation.splits import Holdout

POSITIONS = [SAD, (0.1, 0.9), None, HAPPY, HAPPY]
ROWS = [(0, 3, MARCH_1, SAD), (0, 1, MARCH_1, SAD), (1, 0, MARCH_1, HAPPY)]


class InOrder(torch.nn.Module):
    """Ranks tracks by their positions in the catalogue, for everybody: 0, 1, 2, ..."""

    def score(self, queries, tracks):
        return -tracks.float().repeat(len(queries.users), 1)


def holdout(available=(True,) * 5) -> MoodHoldout:
    known = Holdout(listens_on([]), MARCH_1, torch.tensor(available), pairs_of([]), pairs_of([]))
    return MoodHoldout(known, listen_moods(ROWS))


def evaluator(**changes) -> MoodEvaluator:
    return MoodEvaluator(holdout(**changes), track_moods(POSITIONS), CPU)


def test_figures_are_means_over_listens_and_then_over_listeners():
    """Listener 0 finds track 3 at rank 4 and track 1 at rank 2; listener 1 track 0 at rank 1."""
    result = evaluator().evaluate(InOrder())

    of_0 = (1 / math.log2(5) + 1 / math.log2(3)) / 2
    assert result.per_unit.tolist() == pytest.approx([of_0, 1.0])
    assert result.values["ndcg_at_10"] == pytest.approx((of_0 + 1) / 2)
    assert result.values["recall_at_10"] == 1.0
    assert result.n_units == 2


def test_the_emotional_distance_leaves_out_tracks_without_a_mood():
    """From a sad mood: 0, 0.4, 0.8 and 0.8; from a happy one 0.8, sqrt(0.8² + 0.4²), 0 and 0."""
    result = evaluator().evaluate(InOrder())

    of_0 = (0 + 0.4 + 0.8 + 0.8) / 4
    of_1 = (0.8 + math.sqrt(0.64 + 0.16) + 0 + 0) / 4
    assert result.values["emotional_distance"] == pytest.approx((of_0 + of_1) / 2)


def test_a_track_that_was_not_available_is_in_no_list():
    """Without track 0 the others move up."""
    lists = evaluator(available=(False, True, True, True, True)).lists(InOrder())

    assert lists.tracks[0][lists.valid_mask[0]].tolist() == [1, 2, 3, 4]


def test_only_the_nearest_share_of_the_tracks_is_ranked():
    """Half of the four tracks with a mood: of a sad one 0 and 1, of a happy one 3 and 4."""
    lists = evaluator().lists(InOrder(), nearest_share=0.5)

    listed = [row[mask].tolist() for row, mask in zip(lists.tracks, lists.valid_mask, strict=True)]
    assert listed == [[0, 1], [0, 1], [3, 4]]


def test_halves_divide_the_listeners():
    first, second = holdout().halves(torch.Generator().manual_seed(1))

    assert (first.n_users, second.n_users) == (1, 1)
    assert {*first.queries.users.tolist(), *second.queries.users.tolist()} == {0, 1}


def test_of_too_many_listens_evenly_spread_ones_are_asked(monkeypatch):
    monkeypatch.setattr(mood_ranking, "MAX_QUERIES", 2)
    rows = listen_moods([(user, 0, MARCH_1, SAD) for user in range(5)])

    assert evenly_spread(rows).users.tolist() == [0, 3]
    assert evenly_spread(rows.rows(torch.arange(2))).users.tolist() == [0, 1]
