from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
import torch

from tests.training.worlds import CPU, nodes_of, world_of
from training.data.dataset import World
from training.data.interactions import Pairs, counts_of
from training.evaluate import published_evidence, test_evidence, test_lists, test_quality
from training.evaluation.splits import Split, SplitConfig, random_split
from training.models.ranking.popularity import Popularity, PopularityConfig

test_evidence.__test__ = test_lists.__test__ = test_quality.__test__ = False
AS_OF = date(2026, 3, 1)
N_TRACKS = 40
HEARD = {0: range(20), 1: range(5, 35), 2: range(10, 20)}
PARTS = {0: (16, 2, 2), 1: (24, 3, 3), 2: (8, 1, 1)}


@pytest.fixture
def world() -> World:
    """Three people with 20, 30 and 10 undated counts."""
    pairs = torch.tensor([(user, track) for user, tracks in HEARD.items() for track in tracks])
    nodes = nodes_of(["u0", "u1", "u2"], [f"t{number:02}" for number in range(N_TRACKS)])
    counts = counts_of(pairs[:, 0], pairs[:, 1], torch.ones(len(pairs), dtype=torch.int64))
    return world_of(nodes, counts, AS_OF)


@pytest.fixture
def split(world) -> Split:
    generator = torch.Generator().manual_seed(3)
    return random_split(world.listens, AS_OF, N_TRACKS, SplitConfig(), generator)


def per_user(pairs: Pairs) -> list[int]:
    return torch.bincount(pairs.users, minlength=3).tolist()


def test_published_comparisons_show_a_model_the_learned_part_alone(world, split):
    """8:1:1 of 20, 30 and 10: what it learned from, and at a night's test validation as well."""
    assert per_user(published_evidence(world, split).graph.listened) == [16, 24, 8]
    assert per_user(test_evidence(world, split).graph.listened) == [18, 27, 9]


def test_lists_of_the_test_leave_out_what_was_learned_from_and_validation(world, split):
    """A person's list is none of the nine tenths known before the test, and all there is to be found is the tenth."""
    model = Popularity(PopularityConfig(), published_evidence(world, split))

    listed = test_lists(model, world, split, CPU)

    before = split.sealed_test.before
    for place, user in enumerate(listed.users.tolist()):
        known = set(before.tracks[before.users == user].tolist())
        assert len(known) == sum(PARTS[user][:2])
        assert not known & set(listed.ranked.tracks[place].tolist())
    assert listed.users.tolist() == [0, 1, 2]
    assert per_user(listed.wanted) == [2, 3, 1]


def test_lists_and_coverage_know_what_had_come_alone(world, split):
    """t0 to t9 are in some list, and in none when they came after the cut; then 30 tracks are to be covered."""
    had_come = torch.arange(N_TRACKS) >= 10
    later = replace(split, sealed_test=replace(split.sealed_test, had_come=had_come))
    model = Popularity(PopularityConfig(), published_evidence(world, split))

    whole, rest = (test_lists(model, world, one, CPU).ranked for one in (split, later))

    assert not bool(had_come[whole.tracks[whole.is_filled]].all())
    listed = rest.tracks[rest.is_filled]
    assert bool(had_come[listed].all())
    coverage = test_quality(model, world, later, CPU).values["coverage"]
    assert coverage == pytest.approx(len(listed.unique()) / 30)


def test_metrics_of_the_test_are_means_over_these_lists(world, split):
    """Recall by hand: found among the ten, divided by what there was, averaged over the three."""
    model = Popularity(PopularityConfig(), published_evidence(world, split))
    listed = test_lists(model, world, split, CPU)
    recall = 0.0
    for place, user in enumerate(listed.users.tolist()):
        wanted = set(listed.wanted.tracks[listed.wanted.users == user].tolist())
        recall += len(wanted & set(listed.ranked.tracks[place].tolist())) / len(wanted) / 3

    assert test_quality(model, world, split, CPU).values["recall_at_10"] == pytest.approx(recall)
