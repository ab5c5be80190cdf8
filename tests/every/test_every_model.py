"""Checks that every family must pass."""

from __future__ import annotations

import pytest
import torch

from tests.training.datasets import CPU, LISTENER, WITHHELD, three_modalities, two_taste_view
from training.artifacts.checkpoints import from_state, to_state
from training.config import load_recipe
from training.data.batches import TrainingBatches, UserBatch
from training.data.dataset import DataView
from training.engine.loop import deterministic, eval_mode, fit
from training.evaluation.top_k import top_k_tracks
from training.models.protocols import Recommender
from training.models.registry import FAMILIES

N_TRACKS = 13


@pytest.fixture
def view() -> DataView:
    return two_taste_view(three_modalities(N_TRACKS))


def fitted(family: str, view: DataView) -> Recommender:
    recipe = load_recipe(family)
    with deterministic(seed=5, n_threads=1):
        model = FAMILIES[family].model(recipe.model, view)
        batches = TrainingBatches(
            view.graph.listened, N_TRACKS, 8, 1, 100, 100, torch.Generator().manual_seed(5), CPU
        )
        fit(model, batches, recipe.loop, n_epochs=10)
    return model


def all_users(view: DataView) -> UserBatch:
    return UserBatch(torch.arange(len(view.graph.nodes.users)))


@pytest.mark.parametrize("family", FAMILIES)
def test_ranks_the_withheld_track_first(family, view):
    """Ann's taste twins all play one track that she has not heard; of the unheard, it must come first."""
    nodes = view.graph.nodes
    ann = nodes.users.positions([LISTENER], "test")
    model = fitted(family, view)
    with eval_mode(model):
        scores = model.score(UserBatch(ann)).clone()
    heard = view.graph.listened.tracks[view.graph.listened.users == ann]
    scores[0, heard] = -torch.inf

    first = top_k_tracks(scores, 1).tracks[0, 0]

    assert nodes.tracks.ids[int(first)] == WITHHELD


@pytest.mark.parametrize("family", FAMILIES)
def test_scoring_does_not_change_the_model(family, view):
    """Scoring twice gives equal numbers and leaves training mode as it was."""
    model = fitted(family, view)
    model.train()
    with eval_mode(model):
        once = model.score(all_users(view)).clone()
        again = model.score(all_users(view))

    assert torch.equal(once, again)
    assert model.training


@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_model_scores_as_before(family, view):
    """A model built from its state on the same view gives bit-equal scores."""
    model = fitted(family, view)
    loaded = from_state(to_state(family, model, view), load_recipe(family).model, view, CPU)

    with eval_mode(model), eval_mode(loaded):
        assert torch.equal(loaded.score(all_users(view)), model.score(all_users(view)))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_head_scores_every_listener_and_track(family, view):
    """Scores and coverage mask have the shape (heads, batch, n_tracks), in the order of head_names."""
    model = fitted(family, view)
    with eval_mode(model):
        heads = model.head_scores(all_users(view))

    shape = (len(model.head_names), len(view.graph.nodes.users), N_TRACKS)
    assert heads.scores.shape == heads.coverage_mask.shape == shape
    assert model.ensemble.weights.shape == (len(model.head_names),)
