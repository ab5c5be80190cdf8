"""What validation chooses reaches the model that makes the lists."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
import torch

from tests.training.worlds import CPU, ids, listens_on, nodes_of, world_of
from training.artifacts.checkpoints import put_together
from training.config import load_recipe
from training.data.dataset import World
from training.engine import model_selection
from training.evaluation.evaluator import Examiner
from training.evaluation.splits import Split

AS_OF, N_PEOPLE, N_TRACKS = date(2026, 3, 1), 8, 30
RECIPE = load_recipe("light_gcn_ease")
RECIPE = replace(RECIPE, loop=replace(RECIPE.loop, max_epochs=1))
UNEQUAL = torch.tensor([0.25, 2.0])


@pytest.fixture
def world() -> World:
    """In 25 days each person hears a track a day, person n from track n on."""
    rows = [
        (user, (user + day) % N_TRACKS, AS_OF - timedelta(days=24 - day))
        for user in range(N_PEOPLE)
        for day in range(25)
    ]
    return world_of(nodes_of(ids("u", N_PEOPLE), ids("t", N_TRACKS)), listens_on(rows), AS_OF)


@pytest.fixture
def split(world) -> Split:
    found = model_selection.split_of(world, RECIPE, 1)
    assert isinstance(found, Split)
    return found


def test_head_weights_are_worth_what_lists_made_with_them_are_worth(world, split):
    """Any weights: as measured with a model that has them; each head alone is worth something else."""
    saved = model_selection.choose(world, split, RECIPE, seed=1, device=CPU).saved
    evidence = world.known_before(split.validation).learnable()
    model = put_together(saved, RECIPE.model, evidence, CPU)
    examiner = Examiner(split.validation, N_PEOPLE, N_TRACKS, CPU)
    worth = examiner.weighing(model)

    found = []
    for weights in (UNEQUAL, torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])):
        model.blend.weights.copy_(weights)
        found.append(worth(weights))
        assert found[-1] == pytest.approx(examiner.measure(model).values["ndcg_at_10"])

    assert found[1] != pytest.approx(found[2])


def test_chosen_head_weights_are_kept_by_the_chosen_and_by_the_final_model(
    world, split, monkeypatch
):
    monkeypatch.setattr(model_selection, "choose_weights", lambda *_: UNEQUAL)

    chosen = model_selection.choose(world, split, RECIPE, seed=1, device=CPU).saved
    final = model_selection.learn(world, RECIPE, seed=1, device=CPU).saved

    for saved in (chosen, final):
        assert torch.equal(saved.parameters["blend.weights"], UNEQUAL)
