"""Gradients of a batch, averaged over all processes that train one model."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, cast

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

from training.engine.distributed import average_gradients

if TYPE_CHECKING:
    from training.engine.stages import Batch, Stage, TrainingLoss


class Gradients(Protocol):
    """Adds a batch's gradients to those that are there."""

    def __call__(self, batch: Batch, *, factor: float, is_last: bool) -> dict[str, float]:
        """Add the gradients of the batch times `factor`; returns its losses.

        The last call before a step averages them over the processes.
        """


def gradients(stage: Stage) -> Gradients:
    """Computes the gradients of the stage's losses.

    With `training_loss` the wrapper of torch averages them while they are computed. A stage with
    `backward` computes its own, which are averaged afterwards. The parameters of rank 0 become
    those of every process.
    """
    if stage.backward is not None:
        return _own_gradients(stage, stage.backward)
    loss = cast("TrainingLoss", stage.training_loss)
    wrapped = _wrapped(stage, loss)

    def add(batch: Batch, *, factor: float, is_last: bool) -> dict[str, float]:
        with _unsynchronised(wrapped, is_last=is_last):
            with stage.autocast():
                losses = (wrapped or loss)(batch)
            total = torch.stack([one.float() for one in losses.values()]).sum() * factor
            if bool(torch.isfinite(total)):
                total.backward()
        return {name: float(one.detach()) for name, one in losses.items()}

    return add


def _own_gradients(stage: Stage, backward: TrainingLoss) -> Gradients:
    """Gradients of a stage that calls backward() by itself."""
    if dist.is_initialized():
        for parameter in stage.parameters:
            dist.broadcast(parameter.data, src=0)

    def add(batch: Batch, *, factor: float, is_last: bool) -> dict[str, float]:
        before = [parameter.grad for parameter in stage.parameters]
        for parameter in stage.parameters:
            parameter.grad = None
        losses = backward(batch)
        for parameter, earlier in zip(stage.parameters, before, strict=True):
            if parameter.grad is not None:
                parameter.grad.mul_(factor)
            if earlier is not None:
                parameter.grad = earlier if parameter.grad is None else parameter.grad + earlier
        if is_last:
            average_gradients(stage.parameters)
        return {name: float(one.detach()) for name, one in losses.items()}

    return add


def _wrapped(stage: Stage, loss: TrainingLoss) -> DistributedDataParallel | None:
    """The module that averages gradients in its backward pass; None for one process."""
    if not dist.is_initialized():
        return None
    with warnings.catch_warnings():
        # Sparse buffers cannot be broadcast; what torch recommends instead still broadcasts them.
        warnings.filterwarnings("ignore", message="`broadcast_buffers` is deprecated")
        return DistributedDataParallel(
            _TrainingLoss(stage.module, loss),
            broadcast_buffers=False,
            find_unused_parameters=True,  # a loss may have no example in a batch
        )


@contextmanager
def _unsynchronised(wrapped: DistributedDataParallel | None, *, is_last: bool) -> Iterator[None]:
    """Gradients of all but the last batch of a step stay in their own process."""
    if wrapped is None or is_last:
        yield
        return
    with wrapped.no_sync():
        yield


class _TrainingLoss(nn.Module):
    """DistributedDataParallel wraps `forward`; the loop minimises the stage's loss."""

    def __init__(self, module: nn.Module, loss: TrainingLoss) -> None:
        super().__init__()
        self.module = module  # so that its parameters are found
        self._loss = loss

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        return self._loss(batch)
