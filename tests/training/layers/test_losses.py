from __future__ import annotations

import math

import pytest
import torch

from training.layers.losses import mutual_divergence, softmax_ranking, standardised

ALL = torch.tensor([True, True, True])


def test_ranking_is_the_mean_negative_log_softmax_of_the_positives():
    """Logits (0, 0, ln 2): p = (1/4, 1/4, 1/2); positives first and last: (ln 4 + ln 2) / 2."""
    logits = torch.tensor([[0.0, 0.0, math.log(2)]])

    loss = softmax_ranking(logits, torch.tensor([0, 0]), torch.tensor([0, 2]), ALL)

    assert float(loss) == pytest.approx((math.log(4) + math.log(2)) / 2)


def test_a_candidate_that_takes_no_part_is_neither_rival_nor_positive():
    """Without the last candidate: p = (1/2, 1/2), one positive: ln 2."""
    logits = torch.tensor([[0.0, 0.0, math.log(2)]])

    loss = softmax_ranking(
        logits, torch.tensor([0, 0]), torch.tensor([0, 2]), torch.tensor([True, True, False])
    )

    assert float(loss) == pytest.approx(math.log(2))


def test_heads_that_agree_up_to_scale_have_no_divergence():
    """Calibration takes mean and scale away: 10 x + 3 says what x says."""
    scores = torch.tensor([[1.0, 2.0, 4.0], [0.0, -1.0, 5.0]])

    assert float(mutual_divergence(scores, 10 * scores + 3, ALL, 0.5)) == pytest.approx(0, abs=1e-6)


def test_divergence_is_that_of_the_student_from_the_teacher():
    """Calibrated teacher (1, -1), student (-1, 1), temperature 2: p = (.7311, .2689), KL = .4621."""
    teacher, student = torch.tensor([[5.0, 1.0]]), torch.tensor([[0.0, 1.0]])

    divergence = mutual_divergence(student, teacher, torch.tensor([True, True]), 2.0)

    p = 1 / (1 + math.exp(-1))
    assert float(divergence) == pytest.approx((2 * p - 1) * math.log(p / (1 - p)), rel=1e-5)


def test_standardising_uses_only_what_takes_part():
    """(1, 3) gives (-1, 1); the third track, with 100, has no influence and gets 0."""
    z = standardised(torch.tensor([[1.0, 3.0, 100.0]]), torch.tensor([[True, True, False]]))

    assert z[0].tolist() == pytest.approx([-1, 1, 0], abs=1e-5)


def test_equal_scores_have_a_finite_gradient():
    """A head that cannot tell tracks apart must not turn the fit into NaN."""
    scores = torch.ones(1, 3, requires_grad=True)

    standardised(scores, ALL[None]).sum().backward()

    assert torch.isfinite(scores.grad).all()
