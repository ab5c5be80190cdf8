"""FTRL-proximal with L1: an optimiser of sparse weights, such as those of cross-product features.

Learns w = argmin (sum of gradients) w + l1 |w| + l2 w² / 2 + a pull towards earlier weights, for
each weight by itself (McMahan et al. 2013, "Ad click prediction", algorithm 1):

    sigma = (sqrt(n + g²) - sqrt(n)) / rate;   z += g - sigma w;   n += g²
    w = 0 if |z| <= l1, else -(z - sign(z) l1) / ((beta + sqrt(n)) / rate + l2)

A weight without a gradient stays as it is, and one that few examples speak for is exactly 0.
Differs from the paper: a step takes the mean gradient of a batch, so `l1` and `beta` are in units
of that mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import torch

from training.engine.ranges import NOT_NEGATIVE, POSITIVE, check_ranges

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Proximal:
    """Settings of FTRL-proximal; the rate is that of the parameters' group."""

    l1: Annotated[float, NOT_NEGATIVE] = 0.0
    l2: Annotated[float, NOT_NEGATIVE] = 0.0
    beta: Annotated[float, POSITIVE] = 1.0  # keeps the first steps short

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        check_ranges(self)


class FTRL(torch.optim.Optimizer):
    """See the module. Weights begin where they are; only those at 0 follow the paper from there."""

    def __init__(self, groups: Iterable[dict[str, Any]], lr: float) -> None:
        """Prepare the groups.

        Args:
            groups: with params, and where they differ from the defaults lr, l1, l2, beta.
            lr: rate of groups without their own.
        """
        super().__init__(groups, {"lr": lr, "l1": 0.0, "l2": 0.0, "beta": 1.0})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]  # no closure
        """One step for each weight that has a gradient."""
        if closure is not None:
            raise ValueError("FTRL computes no loss: call it without a closure")
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._step_of(parameter, parameter.grad, group)

    def _step_of(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["z"], state["n"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        z, n = state["z"], state["n"]
        root = (n + gradient.square()).sqrt()
        z += gradient - (root - n.sqrt()) / group["lr"] * parameter
        n += gradient.square()
        shrunk = z.sign() * (z.abs() - group["l1"]).clamp(min=0)
        found = -shrunk / ((group["beta"] + root) / group["lr"] + group["l2"])
        parameter.copy_(found.where(n > 0, parameter))
