from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from tests.training.worlds import two_taste_evidence
from training.data.batches import LearningBatch, UserBatch
from training.data.world import Evidence
from training.models.bpr import BPR, BPRConfig


def made(evidence: Evidence) -> BPR:
    torch.manual_seed(2)
    model = BPR(BPRConfig(dim=3, l2=0.5), evidence)
    with torch.no_grad():
        model.biases.copy_(torch.linspace(-1, 1, 13))
    return model


def test_the_loss_compares_what_was_heard_with_what_was_not():
    """One person, two candidates, the first one heard: the lead and the penalty are written out."""
    model = made(two_taste_evidence())
    batch = LearningBatch(
        torch.tensor([7]),
        torch.tensor([2, 11]),
        torch.tensor([0]),
        torch.tensor([0]),
        torch.arange(0),
    )
    person, heard, unheard = model.users[7], model.tracks[2], model.tracks[11]
    lead = person @ heard + model.biases[2] - person @ unheard - model.biases[11]

    losses = model.training_loss(batch)

    assert float(losses["ranking"]) == pytest.approx(-float(functional.logsigmoid(lead)), rel=1e-5)
    squares = sum(float(vector.square().sum()) for vector in (person, heard, unheard))
    assert float(losses["l2"]) == pytest.approx(0.5 * squares, rel=1e-5)


def test_a_score_is_the_inner_product_and_the_track_s_bias():
    evidence = two_taste_evidence()
    heard = evidence.graph.listened
    model = made(Evidence(replace(evidence.graph, listened=heard.where(heard.tracks != 9)), {}))

    scores = model.score(UserBatch(torch.tensor([5, 1])))

    assert float(scores[1, 4]) == pytest.approx(
        float(model.users[1] @ model.tracks[4] + model.biases[4]), abs=1e-6
    )
    assert bool((scores[:, 9] == -torch.inf).all())
