"""Builds a stage's optimiser and the schedule of its learning rate."""

from __future__ import annotations

import math
from collections.abc import Sequence, Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import nn

    from training.engine.loop_config import LoopConfig


class OptimiserConfigError(ValueError):
    """The loop's configuration names an optimiser or a schedule that does not exist."""


@dataclass(frozen=True, slots=True, eq=False)
class ParameterGroup:
    """Parameters that share a learning rate.

    Attributes:
        rate: the group's learning rate, relative to the stage's.
        weight_decay: the group's own; None takes the stage's.
    """

    parameters: Sequence[nn.Parameter]
    rate: float = 1.0
    weight_decay: float | None = None


def build_optimiser(
    groups: Sequence[ParameterGroup], config: LoopConfig, batches: object
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LambdaLR]:
    """An optimiser over these groups, and the schedule that is stepped after each of its steps.

    Args:
        groups: at least one, each with a parameter.
        config: optimiser, rate, decay and schedule.
        batches: of the stage. A schedule with an end asks how many an epoch has.

    Raises:
        OptimiserConfigError: unknown optimiser or schedule, or a schedule with an end over batches
            of unknown number.
    """
    kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    if config.optimiser not in kinds:
        raise OptimiserConfigError(
            f"loop.optimiser = {config.optimiser!r}: must be one of {', '.join(kinds)}"
        )
    settings = [
        {
            "params": list(group.parameters),
            "lr": config.learning_rate * group.rate,
            "weight_decay": config.weight_decay
            if group.weight_decay is None
            else group.weight_decay,
        }
        for group in groups
    ]
    optimiser = kinds[config.optimiser](settings, lr=config.learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, _RateFactor(config, batches))
    return optimiser, schedule


class _RateFactor:
    """Learning rate at a step, relative to the configured one.

    Linear warm-up from 0, then constant, or a linear or cosine fall to 0 at the last step.
    """

    def __init__(self, config: LoopConfig, batches: object) -> None:
        self._schedule = config.schedule
        self._n_steps = self._n_warm_up = 0
        if config.schedule not in {"constant", "linear", "cosine"}:
            raise OptimiserConfigError(
                f"loop.schedule = {config.schedule!r}: must be constant, linear or cosine"
            )
        if config.schedule == "constant" and not config.warm_up_epochs:
            return
        if not isinstance(batches, Sized):
            raise OptimiserConfigError(
                f"loop.schedule = {config.schedule!r} with {config.warm_up_epochs} epochs of "
                f"warm-up: {type(batches).__name__} has no length, so the steps cannot be counted; "
                "give the batches a __len__, or use a constant rate"
            )
        per_epoch = max(1, -(-len(batches) // config.accumulate))
        self._n_steps = per_epoch * config.max_epochs
        self._n_warm_up = round(per_epoch * config.warm_up_epochs)

    def __call__(self, step: int) -> float:
        if step < self._n_warm_up:
            return (step + 1) / (self._n_warm_up + 1)
        if self._schedule == "constant":
            return 1.0
        left = 1 - (step - self._n_warm_up) / max(1, self._n_steps - self._n_warm_up)
        left = min(max(left, 0.0), 1.0)
        return left if self._schedule == "linear" else (1 - math.cos(math.pi * left)) / 2
