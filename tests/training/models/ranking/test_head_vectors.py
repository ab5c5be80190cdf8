"""Vectors of one head of a fitted MM-GNN are those that the model itself ranks by."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from tests.support.ranking_fits import RANKING_TASK
from tests.training.datasets import three_modalities, two_taste_view, with_newcomers
from training.artifacts.model_state import CheckpointError, ModelState
from training.config import load_recipe
from training.data.content import EncoderChangedError
from training.data.dataset import DataView
from training.engine.loop import eval_mode
from training.models.ranking.head_vectors import head_vectors, heads_with_vectors, lacks_head
from training.models.ranking.mm_gnn import MMGNN


def view() -> DataView:
    n_tracks = len(two_taste_view().graph.nodes.tracks)
    return two_taste_view(three_modalities(n_tracks, lacking_lyrics=[1]))


def model_and_state(seen: DataView) -> tuple[MMGNN, ModelState]:
    """An untrained MM-GNN, and what a checkpoint would give of it."""
    recipe = load_recipe("ranking", "mm_gnn")
    torch.manual_seed(2)
    model = RANKING_TASK.new_model(recipe, seen, {})
    state = RANKING_TASK.to_state("mm_gnn", model, seen)
    return model, replace(state, recipe=json.loads(recipe.as_json()))


@pytest.mark.parametrize("head", ["collaborative", "lyrics"])
def test_vectors_are_those_of_the_model(head):
    seen = view()
    model, state = model_and_state(seen)

    users, tracks = head_vectors(state, seen, head)

    with eval_mode(model):
        expected_users, expected_tracks = model.heads[head].cached_embeddings()
    assert torch.equal(users, expected_users)
    assert torch.equal(tracks, expected_tracks)
    assert users.abs().sum() > 0


def test_rows_are_found_by_id_in_another_world():
    """A newer graph has further listeners and tracks; those without an edge have zeros."""
    _, state = model_and_state(view())
    newer = with_newcomers(view())
    nodes = newer.graph.nodes

    users, tracks = head_vectors(state, newer, "collaborative")

    assert (len(users), len(tracks)) == (len(nodes.users), len(nodes.tracks))
    is_alone = torch.bincount(newer.graph.listened.users, minlength=len(users)) == 0
    assert is_alone.any()
    assert not users[is_alone].any()
    assert users[~is_alone].any(dim=1).all()


def test_a_head_that_the_model_lacks_is_named_with_those_that_it_has():
    """The linear peer ranks, and has no vectors."""
    _, state = model_and_state(view())

    assert heads_with_vectors(state) == ("audio", "collaborative", "cover", "lyrics")
    assert lacks_head(state, "collaborative") == ""
    assert lacks_head(state, "linear").startswith(
        "mm_gnn has no head 'linear' with vectors; it has"
    )
    with pytest.raises(CheckpointError, match="it has audio, collaborative, cover, lyrics"):
        head_vectors(state, view(), "linear")


def test_another_encoder_of_the_head_s_modality_is_refused():
    seen = view()
    _, state = model_and_state(seen)
    other = replace(seen.content["lyrics"], encoder="another")

    with pytest.raises(EncoderChangedError, match="feat_lyrics: vectors by another"):
        head_vectors(state, DataView(seen.graph, seen.content | {"lyrics": other}), "lyrics")


def test_a_recipe_of_another_code_is_refused():
    _, state = model_and_state(view())
    older = replace(state, recipe={"model": {"no_longer_there": 1}})

    with pytest.raises(CheckpointError, match="its recipe is not one of today's"):
        head_vectors(older, view(), "collaborative")
