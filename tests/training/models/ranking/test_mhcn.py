from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.training.datasets import edges, graph_with, nodes_of, pairs_of, two_taste_view
from training.data.batches import TrainingBatch, UserBatch
from training.data.dataset import DataView
from training.data.graph import SocialGraph
from training.models.ranking import mhcn
from training.models.ranking.mhcn import MHCN, MHCNConfig, channel_matrices, normalised_listens

ALL_USERS = UserBatch(torch.arange(18))


def small_graph() -> SocialGraph:
    """u0 and u1 follow each other, both follow u2, and u2 follows u3; u4 is on their own."""
    follows = [(0, 1), (1, 0), (0, 2), (1, 2), (2, 3), (4, 4)]
    listened = [(0, 0), (0, 1), (1, 0), (1, 1), (3, 1), (4, 0), (4, 1), (4, 2)]
    nodes = nodes_of([f"u{n}" for n in range(5)], ["t0", "t1", "t2"])
    return graph_with(nodes, pairs_of(listened), follows=follows)


def test_the_social_channel_counts_triangles_of_users_with_ties():
    """u0, u1, u2 are one triangle, whatever the directions; u2-u3 is in none."""
    social = channel_matrices(small_graph())["social"].toarray()

    half = [[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    assert social[:3, :3].tolist() == half
    assert social.sum() == 3


def test_the_joint_channel_counts_common_tracks_of_users_with_ties():
    """u0 and u1 share two tracks and know each other; the others who do share none."""
    joint = channel_matrices(small_graph())["joint"].toarray()

    assert joint.nonzero()[0].tolist() == [0, 1]
    assert joint[0, 1] == joint[1, 0] == 1


def test_the_purchase_channel_counts_two_or_more_common_tracks_of_strangers():
    """u4 shares two tracks with u0 and with u1, and one with u3, which is too few; nobody is paired with themselves."""
    purchase = channel_matrices(small_graph())["purchase"].toarray()

    expected = np.zeros((5, 5))
    expected[0, 4] = expected[1, 4] = 1
    expected[4, :2] = 0.5
    assert purchase.tolist() == expected.tolist()


def test_triangles_of_one_direction_count_like_those_of_the_paper():
    """Each of the paper's seven social motifs, computed by its own products, adds up to the channel."""
    generator = np.random.default_rng(6)
    follows = (generator.random((9, 9)) < 0.4).astype(float) * (1 - np.eye(9))
    both, one = follows * follows.T, follows * (1 - follows.T)
    symmetric = [
        (one @ one) * one.T,
        (both @ one) * one.T + (one @ both) * one.T + (one @ one) * both,
        (both @ both) * one + (both @ one) * both + (one @ both) * both,
        (one @ one) * one + (one @ one.T) * one + (one.T @ one) * one,
    ]
    whole = [
        (both @ both) * both,
        (one @ both) * one + (both @ one.T) * one.T + (one.T @ one) * both,
        (one.T @ both) * one.T + (both @ one) * one + (one @ one.T) * both,
    ]
    counts = sum(motif + motif.T for motif in symmetric) + sum(whole)
    nodes = nodes_of([f"u{n}" for n in range(9)], ["t0"])
    graph = graph_with(nodes, pairs_of([(0, 0)]), follows=np.argwhere(follows).tolist())

    social = channel_matrices(graph)["social"].toarray()

    assert social == pytest.approx(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))


def test_listens_are_divided_by_the_roots_of_both_degrees():
    """u3 heard one track, which four listeners heard: 1 / sqrt(1 x 4)."""
    assert normalised_listens(small_graph()).toarray()[3].tolist() == [0, 0.5, 0]


def made(view: DataView, **weights: float) -> MHCN:
    torch.manual_seed(3)
    return MHCN(MHCNConfig(dim=4, n_layers=2, **weights), view)


def test_scores_follow_the_paper_s_equations():
    """The same scores come out of dense matrices, layer by layer, in numpy."""
    known = two_taste_view()
    ties = [(0, 1), (1, 2), (2, 0), (3, 2), (3, 1), (12, 13), (13, 14), (14, 12), (15, 16)]
    view = DataView(replace(known.graph, follows=edges(ties)), {})
    model = made(view).eval()
    state = {name: value.detach().double().numpy() for name, value in model.state_dict().items()}
    steps = {name: matrix.toarray() for name, matrix in channel_matrices(view.graph).items()}
    listens = normalised_listens(view.graph).toarray()

    def gated(name):
        gate = state["users"] @ state[f"gates.{name}.weight"].T + state[f"gates.{name}.bias"]
        return state["users"] / (1 + np.exp(-gate))

    def mixed(channels):
        stacked = np.stack(channels)
        attention = np.exp(stacked @ state["attention.0.weight"].T @ state["attention.1.weight"].T)
        return (attention / attention.sum(axis=0) * stacked).sum(axis=0)

    def unit(vectors):
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)

    channels, plain, tracks = [gated(name) for name in steps], gated("plain"), state["tracks"]
    totals = [list(channels), plain, tracks]
    for _ in range(2):
        combined = mixed(channels) + plain / 2
        channels = [step @ users for step, users in zip(steps.values(), channels, strict=True)]
        plain, tracks = listens @ tracks, listens.T @ combined
        totals = [
            [total + unit(new) for total, new in zip(totals[0], channels, strict=True)],
            totals[1] + unit(plain),
            totals[2] + unit(tracks),
        ]
    expected = unit(mixed(totals[0]) + totals[1] / 2) @ unit(totals[2]).T

    assert model.score(ALL_USERS).detach().numpy() == pytest.approx(expected, abs=1e-4)


def test_the_ranking_is_the_softmax_over_cosines_by_temperature():
    """One listener, one positive of three candidates: -log softmax(cosines / 0.5) at its column."""
    model = made(two_taste_view(), temperature=0.5)
    candidates = torch.tensor([2, 6, 9])
    cosines = model.score(UserBatch(torch.tensor([4]))).detach()[0, candidates]
    batch = TrainingBatch(torch.tensor([4]), candidates, torch.tensor([0]), torch.tensor([1]))

    ranking = model.training_loss(batch)["ranking"].detach()

    assert float(ranking) == pytest.approx(-float((cosines / 0.5).log_softmax(0)[1]), rel=1e-5)


def test_follows_change_the_scores():
    known = two_taste_view()
    ties = edges([(0, 1), (1, 2), (2, 0)])

    other = made(DataView(replace(known.graph, follows=ties), {}))

    assert not torch.equal(other.score(ALL_USERS), made(known).score(ALL_USERS))


def test_each_channel_has_its_own_self_supervised_loss_by_its_weight():
    """Three losses, doubled by a doubled weight; the gates of another channel feel nothing of one."""
    batch = TrainingBatch(torch.arange(18), torch.arange(13), torch.tensor([0]), torch.tensor([0]))
    losses = []
    for weight in (0.5, 1.0):
        model = made(two_taste_view(), self_supervision=weight)
        torch.manual_seed(8)
        losses.append(model.training_loss(batch))
    losses[1]["self_supervision.joint"].backward()

    for name in ("self_supervision.social", "self_supervision.joint", "self_supervision.purchase"):
        assert float(losses[1][name].detach()) == pytest.approx(2 * float(losses[0][name].detach()))
    assert model.self_supervision_gates["joint"].weight.grad is not None
    assert model.self_supervision_gates["social"].weight.grad is None


def test_self_supervision_ranks_own_before_another_before_noise(monkeypatch):
    """The paper's equations in numpy, with shuffling replaced by turning round: listeners, and numbers of noise."""
    monkeypatch.setattr(mhcn, "_permutation", lambda n, _like: torch.arange(n).flip(0))
    model = made(two_taste_view(), self_supervision=0.5)
    all_users = torch.randn(18, 4, generator=torch.Generator().manual_seed(1))
    gate = model.self_supervision_gates["purchase"]
    gated = (all_users * torch.sigmoid(gate(all_users))).detach().double().numpy()
    around = channel_matrices(two_taste_view().graph)["purchase"].toarray() @ gated
    noise, whole = around[::-1, ::-1], around.mean(axis=0)

    def cost(better, worse):
        return np.log1p(np.exp(worse - better))

    own, another = (gated * around).sum(axis=1), (gated[::-1] * around).sum(axis=1)
    local = cost(own, another) + cost(another, (gated * noise).sum(axis=1))
    expected = 0.5 * (local + cost(around @ whole, noise @ whole)).mean()

    assert float(model._self_supervision_loss("purchase", all_users).detach()) == pytest.approx(
        expected, rel=1e-4
    )
