"""VADER: valence by a list of words and rules, without a text model (Hutto, Gilbert 2014).

Valence is a line through VADER's compound score, by least squares; VADER says nothing of arousal,
whose estimate is the mean of the labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from training.data.emotion_texts import DIMENSIONS
from training.models.emotion_protocol import Estimates

if TYPE_CHECKING:
    from training.data.emotion_texts import EmotionView

_MIN_SD = 1e-3


@dataclass(frozen=True, slots=True)
class VaderConfig:
    """Nothing to set."""


class Vader(nn.Module):
    """See the module.

    Attributes:
        slope, intercept: of the compound score, by dimension, shape (2,); the slope of arousal
            is 0.
        error: root mean square of the errors on the texts that it learns from, shape (2,).
    """

    calibrated: tuple[str, ...] = ()

    def __init__(self, _config: VaderConfig, view: EmotionView) -> None:
        super().__init__()
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

        self._analyser: Any = SentimentIntensityAnalyzer()
        self.slope: Tensor
        self.intercept: Tensor
        self.error: Tensor
        line = _line(self._compounds(view.texts), view.combined.double())
        for name, value in zip(("slope", "intercept", "error"), line, strict=True):
            self.register_buffer(name, value)

    def estimate(self, texts: Sequence[str]) -> Estimates:
        """See EmotionEstimator."""
        mean = self.intercept.cpu() + self._compounds(texts)[:, None] * self.slope.cpu()
        sd = self.error.cpu().clamp(min=_MIN_SD).expand(len(texts), -1)
        return Estimates(mean.float(), sd.float().contiguous())

    def calibration(self, texts: Sequence[str], labels: Tensor) -> dict[str, Tensor]:  # noqa: ARG002  the protocol's
        """Nothing."""
        return {}

    def frozen(self) -> Mapping[str, Tensor]:
        """Nothing."""
        return {}

    def _compounds(self, texts: Sequence[str]) -> Tensor:
        """VADER's score of each text, in [-1, 1], shape (n,)."""
        scores = [self._analyser.polarity_scores(text)["compound"] for text in texts]
        return torch.tensor(scores, dtype=torch.float64)


def _line(compounds: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Slope, intercept and error by dimension, shape (2,) each."""
    if not len(compounds):
        nothing = torch.zeros(len(DIMENSIONS)).double()
        return nothing, nothing.clone(), nothing + 1
    centred = compounds - compounds.mean()
    slope = torch.zeros(len(DIMENSIONS)).double()
    total = centred.square().sum()
    if total > 0:
        slope[DIMENSIONS.index("valence")] = centred @ labels[:, 0] / total
    intercept = labels.mean(dim=0) - slope * compounds.mean()
    error = (labels - intercept - compounds[:, None] * slope).square().mean(dim=0).sqrt()
    return slope, intercept, error
