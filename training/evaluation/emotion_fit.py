"""How well valence and arousal are estimated: R², correlation, errors, and whether spreads hold.

A unit is a text. Its figure is 1 - the mean over both dimensions of squared error / variance of the
holdout's labels, so that the mean over the texts of a holdout is the mean of both R².
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from training.data.emotion_texts import DIMENSIONS
from training.engine.loop import eval_mode
from training.evaluation.eval_result import EvalResult

if TYPE_CHECKING:
    from training.data.emotion_texts import EmotionHoldout, EmotionTexts
    from training.models.emotion_protocol import Estimates

SELECTION_METRIC = "r2_mean"
SPREADS = {"1": 1.0, "1_64": 1.64}
"""Standard deviations within which 68.3 % and 89.9 % of the labels lie when the spreads hold."""
EMOTIONAL = 0.25
"""Of the valence, from which on a text is in the segment of emotional texts: half a step of the
scale from 1 to 5. In EmoBank few labels are far from the middle."""


class EmotionEvaluator:
    """A holdout of labelled texts.

    Attributes:
        texts: n of them.
        labels: combined ones, float64, shape (n, 2).
    """

    def __init__(self, data: EmotionTexts, holdout: EmotionHoldout) -> None:
        self.texts = [data.texts[row] for row in holdout.rows.tolist()]
        self.labels = data.combined[holdout.rows].double()
        self._variance = holdout.variance

    def evaluate(self, model: Any) -> EvalResult:
        """Figures of an EmotionEstimator."""
        with eval_mode(model):
            estimates = model.estimate(self.texts)
        squares = (self.labels - estimates.mean.double()).square()  # (n, 2)
        r2_of_each = 1 - squares / self._variance
        per_unit = r2_of_each.mean(dim=1)
        values = {SELECTION_METRIC: float(per_unit.mean())}
        for column, name in enumerate(DIMENSIONS):
            values[f"{name}_r2"] = float(r2_of_each[:, column].mean())
            values |= self._figures_of(column, name, estimates)
        if (ratio := getattr(model, "trainable_ratio", None)) is not None:
            values["trainable_ratio"] = ratio
        is_emotional = self.labels[:, DIMENSIONS.index("valence")].abs() >= EMOTIONAL
        return EvalResult(values, per_unit.float(), {"emotional": is_emotional})

    def _figures_of(self, column: int, name: str, estimates: Estimates) -> dict[str, float]:
        labels, mean = self.labels[:, column], estimates.mean[:, column].double()
        error = (labels - mean).abs()
        within = {
            f"{name}_within_{spelling}_sd": float(
                (error <= factor * estimates.sd[:, column]).double().mean()
            )
            for spelling, factor in SPREADS.items()
        }
        rmse = float(error.square().mean().sqrt())
        return {f"{name}_pearson": pearson(labels, mean), f"{name}_rmse": rmse, **within}


def pearson(labels: Tensor, estimates: Tensor) -> float:
    """Pearson's correlation; 0 where one side does not differ.

    Args:
        labels: shape (n,).
        estimates: shape (n,).
    """
    x, y = labels - labels.mean(), estimates - estimates.mean()
    size = x.square().sum().sqrt() * y.square().sum().sqrt()
    return float(x @ y / size) if size > torch.finfo(torch.float32).tiny else 0.0
