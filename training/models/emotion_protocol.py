"""What text emotion asks of its families. Apart from protocols.py, which every ranking hashes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Estimates:
    """Valence and arousal of some texts, on the CPU, shape (n, 2) each.

    Attributes:
        mean: on the scale of the labels, -1 to 1; a model may go beyond.
        sd: standard deviation of the estimate, above 0.
    """

    mean: Tensor
    sd: Tensor


class EmotionEstimator(Protocol):
    """What every family of text emotion offers, as a torch module.

    Attributes:
        calibrated: names of the tensors that `calibration` chooses.
    """

    calibrated: tuple[str, ...]

    def estimate(self, texts: Sequence[str]) -> Estimates:
        """Valence and arousal of texts; the caller has switched gradients and training mode off."""

    def calibration(self, texts: Sequence[str], labels: Tensor) -> dict[str, Tensor]:
        """The tensors `calibrated`, chosen on validation.

        Args:
            texts: n of them.
            labels: shape (n, 2).
        """

    def frozen(self) -> Mapping[str, Tensor]:
        """Tensors of the state that no fit changes, by name; a checkpoint names their hash."""
