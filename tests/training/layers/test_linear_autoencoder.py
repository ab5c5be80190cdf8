"""The closed form against the paper's own formula, written out with dense matrices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.training.datasets import edges, graph_with, ids, nodes_of
from training.data.graph import SocialGraph
from training.data.interactions import Pairs
from training.data.nodes import IdList
from training.layers.linear_autoencoder import LinearAutoencoder, LinearSettings

LISTENED = [(0, 0), (0, 1), (0, 3), (1, 0), (1, 1), (2, 1), (2, 2), (2, 3), (3, 3)]
WEIGHTS = [0.5, 1.0, 2.0, 1.5, 0.7, 1.2, 3.0, 0.4, 1.1]
L2 = 2.0


def graph_of(n_users: int, n_tracks: int) -> SocialGraph:
    kept = [row for row, (user, _) in enumerate(LISTENED) if user < n_users]
    users, tracks = torch.tensor(LISTENED)[kept].T
    nodes = nodes_of(ids("u", n_users), ids("t", n_tracks))
    pairs = Pairs(users, tracks, torch.tensor(WEIGHTS)[kept])
    return graph_with(nodes, pairs)


def linear_of(n_users: int, n_tracks: int, powers: tuple[float, float]) -> LinearAutoencoder:
    return LinearAutoencoder(graph_of(n_users, n_tracks), LinearSettings(L2, 9, *powers))


def by_the_paper(listened: np.ndarray) -> np.ndarray:
    inverse = np.linalg.inv(listened.T @ listened + L2 * np.eye(listened.shape[1]))
    weights = np.eye(len(inverse)) - inverse / np.diag(inverse)
    assert np.allclose(np.diag(weights), 0)
    return listened @ weights


def matrix(n_users: int, listened_power: float, popularity_power: float) -> np.ndarray:
    kept = [
        (pair, weight) for pair, weight in zip(LISTENED, WEIGHTS, strict=True) if pair[0] < n_users
    ]
    listened = np.zeros((n_users, 4))
    listeners = np.bincount([track for (_, track), _ in kept], minlength=4)
    for (user, track), weight in kept:
        listened[user, track] = weight**listened_power / listeners[track] ** popularity_power
    return listened / listened[listened > 0].mean()


@pytest.mark.parametrize("n_users", [3, 4, 7])
@pytest.mark.parametrize("powers", [(0.0, 0.0), (0.5, 0.25), (1.0, 0.0), (0.0, 1.0)])
def test_scores_are_those_of_the_paper_s_formula_on_either_side(n_users, powers):
    """Three listeners with four tracks are solved by listeners, four and seven by tracks."""
    linear = linear_of(n_users, 4, powers)

    scores = linear.score(torch.arange(n_users)).numpy()

    assert np.allclose(scores, by_the_paper(matrix(n_users, *powers)), atol=1e-6)


def test_unheard_tracks_have_no_score():
    linear = linear_of(4, 6, (0.5, 0.25))

    scores = linear.score(torch.arange(4))

    assert torch.allclose(scores[:, :4], linear_of(4, 4, (0.5, 0.25)).score(torch.arange(4)))
    assert not scores[:, 4:].any()
    assert linear.covered_tracks.tolist() == [True] * 4 + [False] * 2


def with_ties_and_tags(n_users: int) -> SocialGraph:
    """u1 follows u0 and u2 (who follows back) and themselves; rock is on t0 and t3, slow on t3 alone."""
    graph = graph_of(n_users, 4)
    return replace(
        graph,
        nodes=replace(graph.nodes, tags=IdList.of("tag", ["rock", "slow"])),
        follows=edges([(1, 0), (1, 2), (2, 1), (1, 1)]),
        tagged=edges([(0, 0), (3, 0), (3, 1)]),
    )


@pytest.mark.parametrize("n_users", [3, 7])
@pytest.mark.parametrize("power", [0.0, 0.5])
def test_tags_are_rows_and_users_are_columns_of_the_same_formula(n_users, power):
    """Written out: listeners' ties with themselves on the diagonal, tags below, and the paper's formula on all of it."""
    ties, tags = np.zeros((n_users, 3)), np.zeros((2, 4))
    n_ties, listeners = [1, 2, 1], np.bincount([t for u, t in LISTENED if u < n_users], minlength=4)
    for user, other in [(0, 0), (1, 1), (2, 2), (0, 1), (1, 0), (1, 2), (2, 1)]:
        ties[user, other] = 1 / n_ties[other] ** power
    for tag, track in [(0, 0), (0, 3), (1, 3)]:
        tags[tag, track] = 1 / listeners[track] ** power
    ties, tags = 0.5 * ties / ties[ties > 0].mean(), 0.3 * tags / tags[tags > 0].mean()
    whole = np.block([[matrix(n_users, 0.0, power), ties], [tags, np.zeros((2, 3))]])
    settings = LinearSettings(L2, 9, 0.0, power, follows_weight=0.5, tagged_weight=0.3)

    linear = LinearAutoencoder(with_ties_and_tags(n_users), settings)

    scores = linear.score(torch.arange(n_users)).numpy()
    assert np.allclose(scores, by_the_paper(whole)[:n_users, :4], atol=1e-6)


def test_only_the_users_with_most_ties_and_the_most_used_tags_have_entries():
    """u1 has two ties, rock two tracks: a column and a row each, and the other ties are of no use."""
    settings = LinearSettings(L2, 9, follows_weight=0.5, tagged_weight=0.3, max_users=1, max_tags=1)
    graph = with_ties_and_tags(4)
    less = replace(graph, tagged=edges([(0, 0), (3, 0)]))

    scores = LinearAutoencoder(graph, settings).score(torch.arange(4))

    assert torch.equal(scores, LinearAutoencoder(less, settings).score(torch.arange(4)))
    ties = np.array([[1.0], [1.0], [1.0], [0.0]]) * 0.5
    tags = np.array([[1.0, 0, 0, 1.0]]) * 0.3
    whole = np.block([[matrix(4, 0.0, 0.0), ties], [tags, np.zeros((1, 1))]])
    assert np.allclose(scores.numpy(), by_the_paper(whole)[:4, :4], atol=1e-6)


@pytest.mark.parametrize("n_users", [3, 7])
def test_scores_of_some_tracks_are_theirs_among_all(n_users):
    """In the order asked for, an unheard track among them."""
    graph = graph_of(n_users, 6)
    linear = LinearAutoencoder(graph, LinearSettings(L2, 9))
    some, users = torch.tensor([3, 5, 0]), torch.tensor([2, 0])

    assert torch.allclose(linear.score(users, some), linear.score(users)[:, some])


def test_it_does_not_cover_users_without_an_entry():
    """u0 to u3 listened; u4 follows u0, which is something; u5 neither listened nor follows."""
    graph = replace(graph_of(6, 4), follows=edges([(4, 0), (5, 5)]))

    alone = LinearAutoencoder(graph, LinearSettings(L2, 9))
    social = LinearAutoencoder(graph, LinearSettings(L2, 9, follows_weight=0.5))

    all_users = torch.arange(6)
    assert alone.coverage_mask(all_users).any(dim=1).tolist() == [True] * 4 + [False] * 2
    assert social.coverage_mask(all_users).any(dim=1).tolist() == [True] * 5 + [False]
    assert social.score(torch.tensor([4])).abs().sum() > 0


def test_without_a_track_it_covers_nothing():
    """No room for any: no scores, no coverage, and nothing to solve fails."""
    linear = LinearAutoencoder(with_ties_and_tags(4), LinearSettings(L2, 0, follows_weight=0.5))

    assert not linear.coverage_mask(torch.arange(4)).any()
    assert not linear.score(torch.arange(4)).any()
