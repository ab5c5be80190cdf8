from __future__ import annotations

import math

import pytest
import torch

from training.data.batches import LearningBatch
from training.layers.pairwise import drawn_triples, pairwise_ranking

NOBODY = torch.arange(0)


def batch(heard: list[list[int]], n_candidates: int) -> LearningBatch:
    """People at 10, 11, ... with what each heard, as places among candidates 100, 101, ..."""
    pairs = [(row, column) for row, columns in enumerate(heard) for column in columns]
    rows, columns = torch.tensor(pairs).T
    users = torch.arange(len(heard)) + 10
    return LearningBatch(users, torch.arange(n_candidates) + 100, rows, columns, NOBODY)


def test_every_positive_is_paired_once_with_a_track_that_its_person_did_not_hear():
    """The first person heard 1 and 2 of five, the second 0, 3 and 4; many draws meet each rest evenly."""
    torch.manual_seed(4)
    heard = [[1, 2], [0, 3, 4]]
    met = torch.zeros(2, 5)
    for _ in range(300):
        triples = drawn_triples(batch(heard, 5))
        pairs = sorted(zip(triples.rows.tolist(), triples.heard.tolist(), strict=True))
        assert pairs == [(0, 1), (0, 2), (1, 0), (1, 3), (1, 4)]
        met.index_put_((triples.rows, triples.unheard), torch.tensor(1.0), accumulate=True)

    assert met[0].tolist() == [pytest.approx(200, abs=40), 0, 0, *[pytest.approx(200, abs=40)] * 2]
    assert met[1].tolist() == [0, *[pytest.approx(450, abs=50)] * 2, 0, 0]


def test_whoever_heard_all_candidates_has_no_triple():
    """The first person heard both candidates, so that only the second one's positive is compared."""
    triples = drawn_triples(batch([[0, 1], [1]], 2))

    assert (triples.rows.tolist(), triples.heard.tolist(), triples.unheard.tolist()) == (
        [1],
        [1],
        [0],
    )


def test_the_loss_is_the_mean_of_minus_ln_sigmoid_of_the_lead():
    """Leads of 0 and of ln 3, whose sigmoid is 3/4: (ln 2 + ln 4/3) / 2."""
    loss = pairwise_ranking(torch.tensor([1.0, math.log(3)]), torch.tensor([1.0, 0.0]))

    assert float(loss) == pytest.approx((math.log(2) + math.log(4 / 3)) / 2)
