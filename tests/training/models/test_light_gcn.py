from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.training.worlds import edges, two_taste_evidence
from training.data.batches import LearningBatch, UserBatch
from training.data.dataset import Evidence
from training.models.ranking.light_gcn import LightGCN, LightGCNConfig

EVERYBODY = UserBatch(torch.arange(18))
CONFIG = LightGCNConfig(dim=4, n_layers=2, temperature=0.5)


def made(evidence: Evidence) -> LightGCN:
    torch.manual_seed(3)
    return LightGCN(CONFIG, evidence).eval()


def test_scores_are_cosines_of_means_over_the_neighbourhoods():
    """The same numbers come out of dense matrices in numpy: mean of E, AE, AAE, then cosines."""
    evidence = two_taste_evidence()
    model = made(evidence)
    heard = np.zeros((18, 13))
    heard[evidence.graph.listened.users, evidence.graph.listened.tracks] = 1
    both = np.block([[np.zeros((18, 18)), heard], [heard.T, np.zeros((13, 13))]])
    scale = np.diag(1 / np.sqrt(both.sum(axis=1)))
    step = scale @ both @ scale
    first = torch.cat([model.users, model.tracks]).detach().double().numpy()
    vectors = (first + step @ first + step @ step @ first) / 3
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)

    scores = model.score(EVERYBODY).detach().numpy()

    assert scores == pytest.approx(vectors[:18] @ vectors[18:].T, abs=1e-5)


def test_edges_other_than_listens_change_nothing():
    """Only listens are propagated: other edges of every other kind leave the scores bit-equal."""
    evidence = two_taste_evidence()
    others = replace(
        evidence.graph,
        follows=edges([(0, 17), (3, 4)]),
        made_by=edges([(5, 1)]),
        tagged=edges([]),
        liked=edges([(0, 12)]),
        on_album=edges([(5, 0), (9, 0)]),
    )

    other = made(Evidence(others, evidence.content))

    assert torch.equal(other.score(EVERYBODY), made(evidence).score(EVERYBODY))


def test_the_loss_is_the_softmax_over_cosines_by_temperature():
    """One person, one positive of three candidates: -log softmax(cosines / 0.5) at its place."""
    model = made(two_taste_evidence())
    candidates = torch.tensor([2, 6, 9])
    cosines = model.score(UserBatch(torch.tensor([4])))[0, candidates]
    batch = LearningBatch(
        torch.tensor([4]), candidates, torch.tensor([0]), torch.tensor([1]), candidates
    )

    loss = model.train().training_loss(batch)["ranking"]

    expected = -float((cosines.detach() / 0.5).log_softmax(0)[1])
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-5)


def test_a_track_without_listener_has_no_score():
    """What nobody heard has only its random start, which must not rank it."""
    evidence = two_taste_evidence()
    heard = evidence.graph.listened
    model = made(Evidence(replace(evidence.graph, listened=heard.where(heard.tracks != 9)), {}))

    scores = model.score(EVERYBODY)

    assert bool((scores[:, 9] == -torch.inf).all())
    assert bool(scores[:, 8].isfinite().all())
