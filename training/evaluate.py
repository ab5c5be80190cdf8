"""Opens the sealed test split: the only module that does, once a training, after selection."""

from __future__ import annotations

import torch

from training.data.dataset import Dataset, DataView
from training.evaluation.evaluator import EvalResult, Evaluator, Recommendations
from training.evaluation.splits import Holdout, Split
from training.models.protocols import Recommender


def test_view(dataset: Dataset, split: Split) -> DataView:
    """What a model sees at the test: everything before its cut, validation included."""
    return dataset.train_view(_open_test(split))


def published_view(dataset: Dataset, split: Split) -> DataView:
    """What a model sees at the test in published comparisons: only the part it was trained on.

    Published comparisons leave the validation pairs out of the lists, and do not show them to the
    model.
    """
    return dataset.train_view(split.validation)


def test_result(
    model: Recommender, dataset: Dataset, split: Split, device: torch.device
) -> EvalResult:
    """Metrics on the test; `model` was built on `test_view` and selected without it."""
    return _evaluator(dataset, split, device).evaluate(model)


def test_recommendations(
    model: Recommender, dataset: Dataset, split: Split, device: torch.device
) -> Recommendations:
    """Lists for the test, for metrics per listener.

    `model` was built on `test_view` or `published_view`, and selected without the test.
    """
    return _evaluator(dataset, split, device).recommend(model)


def _evaluator(dataset: Dataset, split: Split, device: torch.device) -> Evaluator:
    return Evaluator(_open_test(split), len(dataset.nodes.users), dataset.n_tracks, device)


def _open_test(split: Split) -> Holdout:
    """The one place that breaks the seal."""
    return split.sealed_test
