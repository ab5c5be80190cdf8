"""Builds a stage's optimisers and the schedule of their learning rates."""

from __future__ import annotations

import math
from collections.abc import Sequence, Sized
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch

from training.engine.ftrl import FTRL, Proximal

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
        proximal: the group learns by FTRL-proximal with these settings; None takes the stage's
            optimiser.
    """

    parameters: Sequence[nn.Parameter]
    rate: float = 1.0
    weight_decay: float | None = None
    proximal: Proximal | None = None


class StageOptimiser:
    """The optimisers of a stage, one for each kind among its groups, each with its schedule."""

    def __init__(self, optimisers: Sequence[torch.optim.Optimizer], rate: _RateFactor) -> None:
        self._optimisers = list(optimisers)
        self._schedules = [torch.optim.lr_scheduler.LambdaLR(one, rate) for one in self._optimisers]

    def zero_grad(self) -> None:
        """Clear all gradients."""
        for one in self._optimisers:
            one.zero_grad()

    def step(self) -> None:
        """One step of each optimiser, then of its schedule."""
        for one, schedule in zip(self._optimisers, self._schedules, strict=True):
            one.step()
            schedule.step()

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` takes, for a fit that resumes."""
        return {
            "optimisers": [one.state_dict() for one in self._optimisers],
            "steps": [schedule.last_epoch for schedule in self._schedules],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        for one, of_one in zip(self._optimisers, state["optimisers"], strict=True):
            one.load_state_dict(of_one)
        for schedule, steps in zip(self._schedules, state["steps"], strict=True):
            schedule.last_epoch = steps


def build_optimiser(
    groups: Sequence[ParameterGroup], config: LoopConfig, batches: object
) -> StageOptimiser:
    """The optimisers over these groups, with the schedule of their rates.

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
    rate = _RateFactor(config, batches)
    optimisers: list[torch.optim.Optimizer] = []
    if of_stage := [_settings(group, config) for group in groups if group.proximal is None]:
        optimisers.append(kinds[config.optimiser](of_stage, lr=config.learning_rate, fused=True))
    if proximal := [_settings(group, config) for group in groups if group.proximal is not None]:
        optimisers.append(FTRL(proximal, lr=config.learning_rate))
    return StageOptimiser(optimisers, rate)


def _settings(group: ParameterGroup, config: LoopConfig) -> dict[str, Any]:
    """A group as torch's optimisers take it."""
    settings = {"params": list(group.parameters), "lr": config.learning_rate * group.rate}
    if group.proximal is not None:
        return settings | asdict(group.proximal)
    decay = config.weight_decay if group.weight_decay is None else group.weight_decay
    return settings | {"weight_decay": decay}


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
