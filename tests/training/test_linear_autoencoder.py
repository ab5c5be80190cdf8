"""The closed form against the paper's own formula, written out with dense matrices."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.training.worlds import graph_with, ids, nodes_of
from training.data.graph import SocialGraph
from training.data.interactions import Pairs
from training.layers.linear_autoencoder import LinearAutoencoder

HEARD = [(0, 0), (0, 1), (0, 3), (1, 0), (1, 1), (2, 1), (2, 2), (2, 3), (3, 3)]
WEIGHTS = [0.5, 1.0, 2.0, 1.5, 0.7, 1.2, 3.0, 0.4, 1.1]
L2 = 2.0


def graph_of(n_users: int, n_tracks: int) -> SocialGraph:
    kept = [place for place, (user, _) in enumerate(HEARD) if user < n_users]
    users, tracks = torch.tensor(HEARD)[kept].T
    nodes = nodes_of(ids("u", n_users), ids("t", n_tracks))
    pairs = Pairs(users, tracks, torch.tensor(WEIGHTS)[kept])
    return graph_with(nodes, pairs)


def linear_of(n_users: int, n_tracks: int, powers: tuple[float, float]) -> LinearAutoencoder:
    return LinearAutoencoder(
        graph_of(n_users, n_tracks),
        l2=L2,
        max_tracks=9,
        listened_power=powers[0],
        popularity_power=powers[1],
    )


def by_the_paper(heard: np.ndarray) -> np.ndarray:
    inverse = np.linalg.inv(heard.T @ heard + L2 * np.eye(heard.shape[1]))
    weights = np.eye(len(inverse)) - inverse / np.diag(inverse)
    assert np.allclose(np.diag(weights), 0)
    return heard @ weights


def matrix(n_users: int, listened_power: float, popularity_power: float) -> np.ndarray:
    kept = [
        (pair, weight) for pair, weight in zip(HEARD, WEIGHTS, strict=True) if pair[0] < n_users
    ]
    heard = np.zeros((n_users, 4))
    listeners = np.bincount([track for (_, track), _ in kept], minlength=4)
    for (user, track), weight in kept:
        heard[user, track] = weight**listened_power / listeners[track] ** popularity_power
    return heard / heard[heard > 0].mean()


@pytest.mark.parametrize("n_users", [3, 4, 7])
@pytest.mark.parametrize("powers", [(0.0, 0.0), (0.5, 0.25), (1.0, 0.0), (0.0, 1.0)])
def test_scores_are_those_of_the_paper_s_formula_on_either_side(n_users, powers):
    """Three people with four tracks are solved by people, four and seven by tracks."""
    linear = linear_of(n_users, 4, powers)

    scores = linear.score(torch.arange(n_users)).numpy()

    assert np.allclose(scores, by_the_paper(matrix(n_users, *powers)), atol=1e-6)


def test_tracks_that_nobody_heard_have_no_score():
    linear = linear_of(4, 6, (0.5, 0.25))

    scores = linear.score(torch.arange(4))

    assert torch.allclose(scores[:, :4], linear_of(4, 4, (0.5, 0.25)).score(torch.arange(4)))
    assert not scores[:, 4:].any()
    assert linear.covers.tolist() == [True] * 4 + [False] * 2
