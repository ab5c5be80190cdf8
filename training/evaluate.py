"""The held-out tail: opened here, once per training, after everything has been chosen."""

from __future__ import annotations

import torch

from training.data.splits import Holdout, Split
from training.data.world import Evidence, World
from training.measuring import Examiner, Quality
from training.models.registry import Recommender


def test_evidence(world: World, split: Split) -> Evidence:
    """What a model sees at the test: everything before its cut, validation included."""
    return world.known_before(_opened(split))


def test_quality(model: Recommender, world: World, split: Split, device: torch.device) -> Quality:
    """Metrics on the test; `model` has been made on `test_evidence` and chosen without it."""
    examiner = Examiner(_opened(split), len(world.nodes.users), world.n_tracks, device)
    return examiner.measure(model)


def _opened(split: Split) -> Holdout:
    """The one place that breaks the seal."""
    return split.sealed_test
