"""Figures of estimates of emotion, each by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from training.data.emotion_texts import EmotionTexts, hold_out
from training.evaluation.emotion_fit import EmotionEvaluator, pearson
from training.evaluation.eval_result import joined
from training.models.emotion_protocol import Estimates

LABELS = [[0.0, -0.2], [0.2, -0.2], [0.4, 0.2], [0.6, 0.2]]


class Fixed(nn.Module):
    """Says of each text what the test has given it."""

    def __init__(self, mean, sd):
        super().__init__()
        self.given = {
            f"text {number}": row for number, row in enumerate(zip(mean, sd, strict=True))
        }

    def estimate(self, texts):
        assert not self.training
        mean, sd = zip(*(self.given[text] for text in texts), strict=True)
        return Estimates(torch.tensor(mean), torch.tensor(sd))


def data():
    labels = torch.full((5, 3, 2), torch.nan)
    labels[:, 0] = torch.tensor([*LABELS, [0.9, 0.9]])
    names = [f"text {number}" for number in range(5)]
    return EmotionTexts(names, names, labels, names, [*["dev"] * 4, "test"])


def holdout():
    return hold_out(data(), 1)[0]


def test_each_figure_by_hand():
    """Variances of valence: mean .3, squares .09, .01, .01, .09: .05; of arousal .04.

    Valence is .1 too high for all: R² 1 - .01 / .05. Arousal is right but for the last, .4 off: 1 - .04 / .04.
    """
    mean = [[0.1, -0.2], [0.3, -0.2], [0.5, 0.2], [0.7, -0.2]]
    sd = [[0.05, 0.1], [0.11, 0.1], [0.11, 0.1], [0.07, 0.3]]
    model = Fixed(mean, sd).train()

    result = EmotionEvaluator(data(), holdout()).evaluate(model)

    values = result.values
    assert (values["valence_r2"], values["arousal_r2"]) == pytest.approx((0.8, 0.0))
    assert values["r2_mean"] == pytest.approx(0.4)
    assert result.per_unit.tolist() == pytest.approx([0.9, 0.9, 0.9, 0.9 - 0.16 / 0.04 / 2])
    assert (values["valence_rmse"], values["arousal_rmse"]) == pytest.approx((0.1, 0.2))
    assert values["valence_pearson"] == pytest.approx(1.0)
    # Labels -1 -1 1 1 and estimates -1 -1 3 -1, in fifths from their means 0 and -.1: 4 / sqrt(4 x 12).
    assert values["arousal_pearson"] == pytest.approx(4 / math.sqrt(4 * 12))
    # Errors of .1: within .11 twice, within 1.64 x .07 = .115 once more; .4 is within 1.64 x .3 = .49.
    assert (values["valence_within_1_sd"], values["valence_within_1_64_sd"]) == (0.5, 0.75)
    assert (values["arousal_within_1_sd"], values["arousal_within_1_64_sd"]) == (0.75, 1.0)
    assert "trainable_ratio" not in values
    assert result.segments["emotional"].tolist() == [False, False, True, True]
    assert model.training


def test_halves_together_have_the_figure_of_the_whole():
    """R² of a half compares with the variance of the whole holdout."""
    model = Fixed([[0.1, -0.1], [0.3, 0.0], [0.1, 0.2], [0.7, -0.2]], [[0.1, 0.1]] * 4)
    whole = EmotionEvaluator(data(), holdout()).evaluate(model)

    halves = holdout().halves(torch.Generator().manual_seed(1))
    both = joined([EmotionEvaluator(data(), half).evaluate(model) for half in halves])

    assert both.values["r2_mean"] == pytest.approx(whole.values["r2_mean"])
    assert sorted(both.per_unit.tolist()) == pytest.approx(sorted(whole.per_unit.tolist()))


def test_a_constant_estimate_has_no_correlation_and_an_r2_of_zero_at_the_mean():
    model = Fixed([[0.3, 0.0]] * 4, [[0.2, 0.2]] * 4)

    values = EmotionEvaluator(data(), holdout()).evaluate(model).values

    assert values["valence_pearson"] == values["arousal_pearson"] == 0.0
    assert values["r2_mean"] == pytest.approx(0.0, abs=1e-6)


def test_correlation_has_a_sign():
    x = torch.tensor([1.0, 2.0, 4.0])

    assert pearson(x, -3 * x + 1) == pytest.approx(-1.0)
