from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.training.datasets import edges, two_taste_view
from training.data.batches import TrainingBatch, UserBatch
from training.data.dataset import DataView
from training.models.ranking.light_gcn import LightGCN, LightGCNConfig

ALL_USERS = UserBatch(torch.arange(18))
CONFIG = LightGCNConfig(dim=4, n_layers=2, temperature=0.5)


def made(view: DataView) -> LightGCN:
    torch.manual_seed(3)
    return LightGCN(CONFIG, view).eval()


def test_scores_are_cosines_of_means_over_the_neighbourhoods():
    """The same numbers come out of dense matrices in numpy: mean of E, AE, AAE, then cosines."""
    view = two_taste_view()
    model = made(view)
    heard = np.zeros((18, 13))
    heard[view.graph.listened.users, view.graph.listened.tracks] = 1
    both = np.block([[np.zeros((18, 18)), heard], [heard.T, np.zeros((13, 13))]])
    scale = np.diag(1 / np.sqrt(both.sum(axis=1)))
    step = scale @ both @ scale
    first = torch.cat([model.users, model.tracks]).detach().double().numpy()
    vectors = (first + step @ first + step @ step @ first) / 3
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)

    scores = model.score(ALL_USERS).detach().numpy()

    assert scores == pytest.approx(vectors[:18] @ vectors[18:].T, abs=1e-5)


def test_edges_other_than_listens_change_nothing():
    """Only listens are propagated: other edges of every other kind leave the scores bit-equal."""
    view = two_taste_view()
    others = replace(
        view.graph,
        follows=edges([(0, 17), (3, 4)]),
        made_by=edges([(5, 1)]),
        tagged=edges([]),
        liked=edges([(0, 12)]),
        on_album=edges([(5, 0), (9, 0)]),
    )

    other = made(DataView(others, view.content))

    assert torch.equal(other.score(ALL_USERS), made(view).score(ALL_USERS))


def test_the_loss_is_the_softmax_over_cosines_by_temperature():
    """One listener, one positive of three candidates: -log softmax(cosines / 0.5) at its column."""
    model = made(two_taste_view())
    candidates = torch.tensor([2, 6, 9])
    cosines = model.score(UserBatch(torch.tensor([4])))[0, candidates]
    batch = TrainingBatch(torch.tensor([4]), candidates, torch.tensor([0]), torch.tensor([1]))

    loss = model.train().training_loss(batch)["ranking"]

    expected = -float((cosines.detach() / 0.5).log_softmax(0)[1])
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-5)


def test_a_track_without_listener_has_no_score():
    """An unheard track has only its random start, which must not rank it."""
    view = two_taste_view()
    heard = view.graph.listened
    model = made(DataView(replace(view.graph, listened=heard.where(heard.tracks != 9)), {}))

    scores = model.score(ALL_USERS)

    assert bool((scores[:, 9] == -torch.inf).all())
    assert bool(scores[:, 8].isfinite().all())
