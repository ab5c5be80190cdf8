"""The held-out tail: opened here, once per training, after everything has been chosen."""

from __future__ import annotations

import torch

from training.data.dataset import Evidence, World
from training.evaluation.evaluator import Examiner, Listed, Quality
from training.evaluation.splits import Holdout, Split
from training.models.registry import Recommender


def test_evidence(world: World, split: Split) -> Evidence:
    """What a model sees at the test: everything before its cut, validation included."""
    return world.known_before(_opened(split))


def published_evidence(world: World, split: Split) -> Evidence:
    """What a model sees at the test in published comparisons: the part that it learned from, alone.

    They leave out of the lists what validation holds, and do not show it to the model.
    """
    return world.known_before(split.validation)


def test_quality(model: Recommender, world: World, split: Split, device: torch.device) -> Quality:
    """Metrics on the test; `model` has been made on `test_evidence` and chosen without it."""
    return _examiner(world, split, device).measure(model)


def test_lists(model: Recommender, world: World, split: Split, device: torch.device) -> Listed:
    """Lists for the test, to be measured person by person.

    `model` has been made on `test_evidence` or `published_evidence`, and chosen without the test.
    """
    return _examiner(world, split, device).lists(model)


def _examiner(world: World, split: Split, device: torch.device) -> Examiner:
    return Examiner(_opened(split), len(world.nodes.users), world.n_tracks, device)


def _opened(split: Split) -> Holdout:
    """The one place that breaks the seal."""
    return split.sealed_test
