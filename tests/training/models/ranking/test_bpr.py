from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from tests.training.datasets import two_taste_view
from training.data.batches import TrainingBatch, UserBatch
from training.data.dataset import DataView
from training.models.ranking.bpr import BPR, BPRConfig, pairwise_ranking, sample_triples

NONE = torch.arange(0)


def batch(heard: list[list[int]], n_candidates: int) -> TrainingBatch:
    """Listeners at 10, 11, ... with what each heard, as columns of candidates 100, 101, ..."""
    pairs = [(row, column) for row, columns in enumerate(heard) for column in columns]
    rows, columns = torch.tensor(pairs).T
    users = torch.arange(len(heard)) + 10
    return TrainingBatch(users, torch.arange(n_candidates) + 100, rows, columns)


def test_every_positive_is_paired_once_with_a_track_that_its_listener_did_not_hear():
    """The first listener heard 1 and 2 of five, the second 0, 3 and 4; many draws meet each rest evenly."""
    torch.manual_seed(4)
    heard = [[1, 2], [0, 3, 4]]
    met = torch.zeros(2, 5)
    for _ in range(300):
        triples = sample_triples(batch(heard, 5))
        pairs = sorted(zip(triples.rows.tolist(), triples.listened.tolist(), strict=True))
        assert pairs == [(0, 1), (0, 2), (1, 0), (1, 3), (1, 4)]
        met.index_put_((triples.rows, triples.unheard), torch.tensor(1.0), accumulate=True)

    assert met[0].tolist() == [pytest.approx(200, abs=40), 0, 0, *[pytest.approx(200, abs=40)] * 2]
    assert met[1].tolist() == [0, *[pytest.approx(450, abs=50)] * 2, 0, 0]


def test_a_listener_who_heard_all_candidates_has_no_triple():
    """The first listener heard both candidates, so that only the second one's positive is compared."""
    triples = sample_triples(batch([[0, 1], [1]], 2))

    assert (triples.rows.tolist(), triples.listened.tolist(), triples.unheard.tolist()) == (
        [1],
        [1],
        [0],
    )


def test_the_loss_is_the_mean_of_minus_ln_sigmoid_of_the_lead():
    """Leads of 0 and of ln 3, whose sigmoid is 3/4: (ln 2 + ln 4/3) / 2."""
    loss = pairwise_ranking(torch.tensor([1.0, math.log(3)]), torch.tensor([1.0, 0.0]))

    assert float(loss) == pytest.approx((math.log(2) + math.log(4 / 3)) / 2)


def made(view: DataView) -> BPR:
    torch.manual_seed(2)
    model = BPR(BPRConfig(dim=3, l2=0.5), view)
    with torch.no_grad():
        model.biases.copy_(torch.linspace(-1, 1, 13))
    return model


def test_the_loss_compares_what_was_heard_with_what_was_not():
    """One listener, two candidates, the first one heard: the lead and the penalty are written out."""
    model = made(two_taste_view())
    batch = TrainingBatch(
        torch.tensor([7]),
        torch.tensor([2, 11]),
        torch.tensor([0]),
        torch.tensor([0]),
    )
    user, heard, unheard = model.users[7], model.tracks[2], model.tracks[11]
    lead = user @ heard + model.biases[2] - user @ unheard - model.biases[11]

    losses = model.training_loss(batch)

    expected = -float(functional.logsigmoid(lead.detach()))
    assert float(losses["ranking"].detach()) == pytest.approx(expected, rel=1e-5)
    squares = sum(float(vector.detach().square().sum()) for vector in (user, heard, unheard))
    assert float(losses["l2"].detach()) == pytest.approx(0.5 * squares, rel=1e-5)


def test_a_score_is_the_inner_product_and_the_track_s_bias():
    view = two_taste_view()
    heard = view.graph.listened
    model = made(DataView(replace(view.graph, listened=heard.where(heard.tracks != 9)), {}))

    with torch.no_grad():
        scores = model.score(UserBatch(torch.tensor([5, 1])))
        expected = model.users[1] @ model.tracks[4] + model.biases[4]

    assert float(scores[1, 4]) == pytest.approx(float(expected), abs=1e-6)
    assert bool((scores[:, 9] == -torch.inf).all())
