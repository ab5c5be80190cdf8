"""Ridge regression on sentence vectors of a frozen text model: the baseline of text emotion.

Solved in closed form for each of STRENGTHS; validation chooses one for each dimension.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from training.data.emotion_texts import DIMENSIONS
from training.models.emotion_protocol import Estimates
from training.models.encoders.sentence_encoder import load_encoder, sentence_vectors

if TYPE_CHECKING:
    from training.data.emotion_texts import EmotionView

STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0)
_MIN_SD = 1e-3


@dataclass(frozen=True, slots=True)
class RidgeConfig:
    """Which text model."""

    text_folder: str = ""  # of a text model of transformers; empty: the packaged MiniLM
    max_tokens: int = 128


class Ridge(nn.Module):
    """See the module.

    Attributes:
        strength: index in STRENGTHS by dimension, shape (2,); before validation chooses, those with
            the smallest leave-one-out errors.
    """

    calibrated = ("strength",)

    def __init__(self, config: RidgeConfig, view: EmotionView) -> None:
        super().__init__()
        self.tower = load_encoder(config.text_folder, config.max_tokens)
        solved = solve_ridge(
            sentence_vectors(self.tower, view.texts).double(), view.combined.double()
        )
        self.mean_vector: Tensor
        self.mean_label: Tensor
        self.weights: Tensor
        self.error: Tensor
        self.strength: Tensor
        self.register_buffer("mean_vector", solved.mean_vector)
        self.register_buffer("mean_label", solved.mean_label)
        self.register_buffer("weights", solved.weights)
        self.register_buffer("error", solved.error)
        self.register_buffer("strength", solved.error.argmin(dim=0))

    def estimate(self, texts: Sequence[str]) -> Estimates:
        """See EmotionEstimator; the spread is the leave-one-out error, the same for all texts."""
        by_strength = self._means(texts)
        mean = torch.stack(
            [by_strength[index, :, one] for one, index in enumerate(self.strength.tolist())], dim=1
        )
        sd = torch.stack([self.error[index, one] for one, index in enumerate(self.strength)])
        sd = sd.clamp(min=_MIN_SD).cpu()
        return Estimates(mean.float(), sd.float().expand(len(texts), -1).contiguous())

    def calibration(self, texts: Sequence[str], labels: Tensor) -> dict[str, Tensor]:
        """The strengths with the smallest squared errors."""
        squares = (self._means(texts) - labels.double()).square().mean(dim=1)
        return {"strength": squares.argmin(dim=0)}

    def frozen(self) -> Mapping[str, Tensor]:
        """See EmotionEstimator."""
        return {f"tower.{name}": one for name, one in self.tower.state_dict().items()}

    def _means(self, texts: Sequence[str]) -> Tensor:
        """By strength, shape (n_strengths, n, 2)."""
        centred = sentence_vectors(self.tower, texts).double() - self.mean_vector.cpu()
        return self.mean_label.cpu() + centred @ self.weights.cpu()


@dataclass(frozen=True, slots=True, eq=False)
class RidgeSolutions:
    """Solutions for all strengths, float64.

    Attributes:
        mean_vector, mean_label: shapes (width,) and (2,); both are taken away before the solution.
        weights: shape (n_strengths, width, 2).
        error: root mean square of the leave-one-out errors, shape (n_strengths, 2).
    """

    mean_vector: Tensor
    mean_label: Tensor
    weights: Tensor
    error: Tensor


def solve_ridge(vectors: Tensor, labels: Tensor) -> RidgeSolutions:
    """Minimise |labels - vectors W|² + strength |W|² for each of STRENGTHS.

    By one singular value decomposition of the centred vectors; the leave-one-out error of a text is
    its error divided by 1 - leverage (Golub, Heath, Wahba 1979).

    Args:
        vectors: shape (n, width).
        labels: shape (n, 2).
    """
    if not len(vectors):
        n_strengths, width = len(STRENGTHS), vectors.shape[1]
        n_labels = len(DIMENSIONS)
        # Tensors of their own: a state is loaded into them one after the other.
        return RidgeSolutions(
            mean_vector=torch.zeros(width).double(),
            mean_label=torch.zeros(n_labels).double(),
            weights=torch.zeros(n_strengths, width, n_labels).double(),
            error=torch.ones(n_strengths, n_labels).double(),
        )
    mean_vector, mean_label = vectors.mean(dim=0), labels.mean(dim=0)
    left, values, right = torch.linalg.svd(vectors - mean_vector, full_matrices=False)
    targets = left.T @ (labels - mean_label)
    weights, errors = [], []
    for strength in STRENGTHS:
        shrunk = values.square() / (values.square() + strength)
        weights.append(right.T @ ((values / (values.square() + strength))[:, None] * targets))
        leverage = (left.square() @ shrunk + 1 / len(vectors)).clamp(max=1 - 1e-6)
        residual = labels - mean_label - left @ (shrunk[:, None] * targets)
        errors.append((residual / (1 - leverage)[:, None]).square().mean(dim=0).sqrt())
    return RidgeSolutions(mean_vector, mean_label, torch.stack(weights), torch.stack(errors))
