"""Weights selected on validation reach the final model."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
import torch

from tests.support.ranking_fits import RANKING_TASK, fitting_of, split_of
from tests.training.datasets import CPU, dataset_of, ids, listens_on, nodes_of
from training.config import load_recipe
from training.data.dataset import Dataset
from training.engine import model_selection
from training.engine.model_selection import FamilyResult, better_on_test
from training.evaluation.eval_result import EvalResult
from training.evaluation.evaluator import Evaluator
from training.evaluation.splits import Split
from training.tasks import ranking

AS_OF, N_USERS, N_TRACKS = date(2026, 3, 1), 8, 30
RECIPE = load_recipe("ranking", "light_gcn_ease")
RECIPE = replace(RECIPE, loop=replace(RECIPE.loop, max_epochs=1))
UNEQUAL = torch.tensor([0.25, 2.0])


@pytest.fixture
def dataset() -> Dataset:
    """In 25 days each listener hears a track a day, listener n from track n on."""
    rows = [
        (user, (user + day) % N_TRACKS, AS_OF - timedelta(days=24 - day))
        for user in range(N_USERS)
        for day in range(25)
    ]
    return dataset_of(nodes_of(ids("u", N_USERS), ids("t", N_TRACKS)), listens_on(rows), AS_OF)


@pytest.fixture
def split(dataset) -> Split:
    found = split_of(dataset, 1)
    assert isinstance(found, Split)
    return found


def test_the_ndcg_of_weights_is_that_of_lists_made_with_them(dataset, split):
    """Any weights: each listener's as measured with a model that has them; each head alone has another."""
    state = model_selection.select_on_validation(
        fitting_of(dataset, CPU), split, RECIPE, seed=1
    ).state
    view = dataset.train_view(split.validation).with_learnable_modalities()
    model = RANKING_TASK.from_state(state, RECIPE, view, {}, CPU)
    evaluator = Evaluator(split.validation, N_USERS, N_TRACKS, CPU)
    ndcg_of = evaluator.ndcg_of_weights(model)

    found = []
    for weights in (UNEQUAL, torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])):
        model.ensemble.weights.copy_(weights)
        found.append(ndcg_of(weights))
        assert torch.equal(found[-1], evaluator.evaluate(model).per_unit)

    assert len(found[0]) == len(evaluator.users)
    assert not torch.equal(found[1], found[2])


def test_the_selected_and_the_final_model_keep_the_selected_weights(dataset, split, monkeypatch):
    monkeypatch.setattr(ranking, "select_weights", lambda *_: UNEQUAL)

    fitting = fitting_of(dataset, CPU)
    selected = model_selection.select_on_validation(fitting, split, RECIPE, seed=1).state
    final = model_selection.fit_champion(fitting, split, RECIPE, seed=1).state

    for state in (selected, final):
        assert torch.equal(state.parameters["ensemble.weights"], UNEQUAL)


def test_families_that_are_better_on_the_test_are_named_with_their_lead():
    """Validation does not count, nor does a family that is behind or level."""
    figures = {
        "own": (0.9, 0.25),
        "ahead": (0.1, 0.5),
        "behind": (0.95, 0.125),
        "level": (0.9, 0.25),
    }
    results = [
        FamilyResult(family, part, EvalResult({"ndcg": value}, torch.zeros(3)))
        for family, values in figures.items()
        for part, value in zip(("validation", "test"), values, strict=True)
    ]

    assert better_on_test("ndcg", "own", results) == {"ahead": 0.25}
    assert better_on_test("ndcg", "ahead", results) == {}
    assert better_on_test("ndcg", "alone", []) == {}
