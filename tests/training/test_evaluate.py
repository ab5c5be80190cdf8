from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
import torch

from feature_store.setting_groups import SplitSettings
from tests.training.datasets import CPU, dataset_of, nodes_of
from training.data.dataset import Dataset
from training.data.interactions import Pairs, counts_of
from training.evaluate import on_test, published_view, test_result, test_view
from training.evaluation.evaluator import Recommendations
from training.evaluation.splits import Split, random_split
from training.models.ranking.popularity import Popularity, PopularityConfig
from training.tasks.ranking import Ranking

TASK = Ranking()
test_view.__test__ = test_result.__test__ = False
AS_OF = date(2026, 3, 1)
N_TRACKS = 40
LISTENED = {0: range(20), 1: range(5, 35), 2: range(10, 20)}
PARTS = {0: (16, 2, 2), 1: (24, 3, 3), 2: (8, 1, 1)}


@pytest.fixture
def dataset() -> Dataset:
    """Three listeners with 20, 30 and 10 undated counts."""
    pairs = torch.tensor([(user, track) for user, tracks in LISTENED.items() for track in tracks])
    nodes = nodes_of(["u0", "u1", "u2"], [f"t{number:02}" for number in range(N_TRACKS)])
    counts = counts_of(pairs[:, 0], pairs[:, 1], torch.ones(len(pairs), dtype=torch.int64))
    return dataset_of(nodes, counts, AS_OF)


@pytest.fixture
def split(dataset) -> Split:
    generator = torch.Generator().manual_seed(3)
    return random_split(dataset.listens, AS_OF, N_TRACKS, SplitSettings(), generator)


def listed_on_test(model: Popularity, dataset: Dataset, split: Split) -> Recommendations:
    return on_test(split, lambda test: TASK.evaluator(dataset, test, CPU).recommend(model))


def per_user(pairs: Pairs) -> list[int]:
    return torch.bincount(pairs.users, minlength=3).tolist()


def test_published_comparisons_show_a_model_only_the_train_part(dataset, split):
    """8:1:1 of 20, 30 and 10: the train part, and at a night's test validation as well."""
    assert per_user(published_view(TASK, dataset, split).graph.listened) == [16, 24, 8]
    assert per_user(test_view(TASK, dataset, split).graph.listened) == [18, 27, 9]


def test_lists_of_the_test_leave_out_train_and_validation(dataset, split):
    """A listener's list is none of the nine tenths known before the test, and all there is to be found is the tenth."""
    model = Popularity(PopularityConfig(), published_view(TASK, dataset, split))

    listed = listed_on_test(model, dataset, split)

    before = split.sealed_test.before
    for row, user in enumerate(listed.users.tolist()):
        known = set(before.tracks[before.users == user].tolist())
        assert len(known) == sum(PARTS[user][:2])
        assert not known & set(listed.ranked.tracks[row].tolist())
    assert listed.users.tolist() == [0, 1, 2]
    assert per_user(listed.relevant) == [2, 3, 1]


def test_lists_and_coverage_count_only_available_tracks(dataset, split):
    """t0 to t9 are in some list, and in none when they came after the cut; then 30 tracks are to be covered."""
    available_mask = torch.arange(N_TRACKS) >= 10
    later = replace(split, sealed_test=replace(split.sealed_test, available_mask=available_mask))
    model = Popularity(PopularityConfig(), published_view(TASK, dataset, split))

    whole, rest = (listed_on_test(model, dataset, one).ranked for one in (split, later))

    assert not bool(available_mask[whole.tracks[whole.valid_mask]].all())
    listed = rest.tracks[rest.valid_mask]
    assert bool(available_mask[listed].all())
    coverage = test_result(TASK, model, dataset, later, CPU).values["coverage"]
    assert coverage == pytest.approx(len(listed.unique()) / 30)


def test_metrics_of_the_test_are_means_over_these_lists(dataset, split):
    """Recall by hand: found among the ten, divided by what there was, averaged over the three."""
    model = Popularity(PopularityConfig(), published_view(TASK, dataset, split))
    listed = listed_on_test(model, dataset, split)
    recall = 0.0
    for row, user in enumerate(listed.users.tolist()):
        relevant = set(listed.relevant.tracks[listed.relevant.users == user].tolist())
        recall += len(relevant & set(listed.ranked.tracks[row].tolist())) / len(relevant) / 3

    assert test_result(TASK, model, dataset, split, CPU).values["recall_at_10"] == pytest.approx(
        recall
    )
