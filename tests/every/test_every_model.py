"""The exam that every family sits."""

from __future__ import annotations

import pytest
import torch

from tests.training.worlds import CPU, LISTENER, WITHHELD, three_modalities, two_taste_evidence
from training.artifacts.checkpoints import put_together, taken_apart
from training.config import load_recipe
from training.data.batches import LearningBatches, UserBatch
from training.data.dataset import Evidence
from training.engine.loop import deterministic, fit, scoring
from training.evaluation.top_k import best_tracks
from training.models.registry import FAMILIES, Recommender

N_TRACKS = 13


@pytest.fixture
def evidence() -> Evidence:
    return two_taste_evidence(three_modalities(N_TRACKS))


def fitted(family: str, evidence: Evidence) -> Recommender:
    recipe = load_recipe(family)
    with deterministic(seed=5, n_threads=1):
        model = FAMILIES[family].model(recipe.model, evidence)
        batches = LearningBatches(
            evidence.graph.listened, N_TRACKS, 8, 1, 100, 100, torch.Generator().manual_seed(5), CPU
        )
        fit(model, batches, recipe.loop, n_epochs=10)
    return model


def everybody(evidence: Evidence) -> UserBatch:
    return UserBatch(torch.arange(len(evidence.graph.nodes.users)))


@pytest.mark.parametrize("family", FAMILIES)
def test_ranks_the_withheld_track_first(family, evidence):
    """Ann's taste twins all play one track that she has not heard; of the unheard, it must come first."""
    nodes = evidence.graph.nodes
    ann = nodes.users.positions([LISTENER], "test")
    model = fitted(family, evidence)
    with scoring(model):
        scores = model.score(UserBatch(ann)).clone()
    heard = evidence.graph.listened.tracks[evidence.graph.listened.users == ann]
    scores[0, heard] = -torch.inf

    first = best_tracks(scores, 1).tracks[0, 0]

    assert nodes.tracks.ids[int(first)] == WITHHELD


@pytest.mark.parametrize("family", FAMILIES)
def test_scoring_does_not_change_the_model(family, evidence):
    """Scoring twice gives equal numbers and leaves training mode as it was."""
    model = fitted(family, evidence)
    model.train()
    with scoring(model):
        once = model.score(everybody(evidence)).clone()
        again = model.score(everybody(evidence))

    assert torch.equal(once, again)
    assert model.training


@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_model_scores_as_before(family, evidence):
    """Taken apart and put together over the same evidence, a model gives bit-equal scores."""
    model = fitted(family, evidence)
    loaded = put_together(
        taken_apart(family, model, evidence), load_recipe(family).model, evidence, CPU
    )

    with scoring(model), scoring(loaded):
        assert torch.equal(loaded.score(everybody(evidence)), model.score(everybody(evidence)))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_head_speaks_for_every_person_and_track(family, evidence):
    """Scores and votes have the shape (heads, batch, n_tracks), in the order of head_names."""
    model = fitted(family, evidence)
    with scoring(model):
        heads = model.head_scores(everybody(evidence))

    shape = (len(model.head_names), len(evidence.graph.nodes.users), N_TRACKS)
    assert heads.scores.shape == heads.votes.shape == shape
    assert model.blend.weights.shape == (len(model.head_names),)
