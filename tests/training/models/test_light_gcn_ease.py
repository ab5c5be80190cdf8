from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.training.worlds import edges, two_taste_evidence
from training.data.batches import UserBatch
from training.data.dataset import Evidence
from training.layers.ensemble import blended
from training.models.ranking.ease import EASE, EASEConfig
from training.models.ranking.light_gcn import LightGCN, LightGCNConfig
from training.models.ranking.light_gcn_ease import LightGCNEASE, LightGCNEASEConfig

EVERYBODY = UserBatch(torch.arange(18))
LINEAR = {
    "l2": 7.0,
    "max_tracks": 10,
    "listened_power": 0.5,
    "popularity_power": 0.25,
    "follows_weight": 0.5,
    "tagged_weight": 2.0,
}  # each another than the default


def tagged_evidence() -> Evidence:
    """Two tastes, listens of three weights, and a tag on a track of each."""
    graph = two_taste_evidence().graph
    listened = replace(graph.listened, weight=1.0 + torch.arange(len(graph.listened)) % 3)
    return Evidence(replace(graph, listened=listened, tagged=edges([(0, 0), (8, 0)])), {})


def made(**linear) -> LightGCNEASE:
    torch.manual_seed(3)
    config = LightGCNEASEConfig(dim=4, **{**LINEAR, **linear})
    return LightGCNEASE(config, tagged_evidence()).eval()


def test_its_heads_say_what_the_two_families_say():
    """At the same weights, one head has LightGCN's scores and the other EASE's, with their settings."""
    model, evidence = made(), tagged_evidence()
    graph = LightGCN(LightGCNConfig(dim=4), evidence).eval()
    graph.load_state_dict(model.graph.state_dict())
    linear = EASE(EASEConfig(**LINEAR), evidence)

    heads = model.head_scores(EVERYBODY)

    assert torch.equal(heads.scores[0], graph.head_scores(EVERYBODY).scores[0])
    assert torch.equal(heads.scores[1], linear.head_scores(EVERYBODY).scores[0])


@pytest.mark.parametrize("setting", LINEAR)
def test_each_setting_of_the_linear_head_is_its_own(setting):
    """Another value of one of them gives other scores; ten tracks take part, then five."""
    changed = made(**{setting: LINEAR[setting] / 2 if setting != "max_tracks" else 5})

    one, other = (model.linear.head_scores(EVERYBODY) for model in (made(), changed))

    assert not torch.equal(one.scores, other.scores)


@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.25, 2.0)])
def test_its_score_is_mm_gnn_s_blend_by_its_weights(weights):
    model = made()
    model.blend.weights.copy_(torch.tensor(weights))

    expected = blended(model.head_scores(EVERYBODY), torch.tensor(weights))

    assert torch.equal(model.score(EVERYBODY), expected)


def test_only_the_graph_is_learned():
    assert {name.split(".")[0] for name, _ in made().named_parameters()} == {"graph"}
