from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.training.datasets import edges, two_taste_view
from training.data.batches import UserBatch
from training.data.dataset import DataView
from training.layers.ensemble import ensemble_scores
from training.models.ranking.ease import EASE, EASEConfig
from training.models.ranking.light_gcn import LightGCN, LightGCNConfig
from training.models.ranking.light_gcn_ease import LightGCNEASE, LightGCNEASEConfig

ALL_USERS = UserBatch(torch.arange(18))
LINEAR = {
    "l2": 7.0,
    "max_tracks": 10,
    "listened_power": 0.5,
    "popularity_power": 0.25,
    "follows_weight": 0.5,
    "tagged_weight": 2.0,
}  # each another than the default


def tagged_view() -> DataView:
    """Two tastes, listens of three weights, and a tag on a track of each."""
    graph = two_taste_view().graph
    listened = replace(graph.listened, weight=1.0 + torch.arange(len(graph.listened)) % 3)
    return DataView(replace(graph, listened=listened, tagged=edges([(0, 0), (8, 0)])), {})


def made(**linear) -> LightGCNEASE:
    torch.manual_seed(3)
    config = LightGCNEASEConfig(dim=4, **{**LINEAR, **linear})
    return LightGCNEASE(config, tagged_view()).eval()


def test_its_heads_score_as_the_two_families_do():
    """At the same weights, one head has LightGCN's scores and the other EASE's, with their settings."""
    model, view = made(), tagged_view()
    graph = LightGCN(LightGCNConfig(dim=4), view).eval()
    graph.load_state_dict(model.graph.state_dict())
    linear = EASE(EASEConfig(**LINEAR), view)

    heads = model.head_scores(ALL_USERS)

    assert torch.equal(heads.scores[0], graph.score(ALL_USERS).nan_to_num(neginf=0.0))
    assert torch.equal(heads.scores[1], linear.score(ALL_USERS).nan_to_num(neginf=0.0))


@pytest.mark.parametrize("setting", LINEAR)
def test_each_setting_of_the_linear_head_is_its_own(setting):
    """Another value of one of them gives other scores; ten tracks take part, then five."""
    changed = made(**{setting: LINEAR[setting] / 2 if setting != "max_tracks" else 5})

    one, other = (model.linear.score(ALL_USERS) for model in (made(), changed))

    assert not torch.equal(one, other)


@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.25, 2.0)])
def test_its_score_is_mm_gnn_s_ensemble_by_its_weights(weights):
    model = made()
    model.ensemble.weights.copy_(torch.tensor(weights))

    expected = ensemble_scores(model.head_scores(ALL_USERS), torch.tensor(weights))

    assert torch.equal(model.score(ALL_USERS), expected)


def test_only_the_graph_has_parameters():
    assert {name.split(".")[0] for name, _ in made().named_parameters()} == {"graph"}
