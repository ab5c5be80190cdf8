"""A stage of a fit: what is trained, on which batches, by which optimiser.

A family with one stage has one; a family that learns in two steps (contrast first, then taste)
has two, each with its own parameters, optimiser, batches and resume file. Stages run in order,
each from the parameters that the one before it selected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch

if TYPE_CHECKING:
    from torch import Tensor, nn

    from training.engine.loop_config import LoopConfig
    from training.engine.optimisers import ParameterGroup


class Batch(Protocol):
    """What the loop asks of a batch."""

    def shard(self, rank: int, n_shards: int) -> Batch:
        """This process's part of the batch."""

    def describe(self) -> str:
        """Which examples are in it, for an error message."""


@dataclass(frozen=True, slots=True)
class Loading:
    """What was read for an epoch beside the loop, in one process: who waits for whom.

    Attributes:
        rows: that were read.
        reading_s: seconds that the reader took for them; the network computes meanwhile.
        waited_s: seconds that the loop waited for the reader.
    """

    rows: int
    reading_s: float
    waited_s: float


TrainingLoss = Callable[[Any], "dict[str, Tensor]"]
"""Named losses of a batch, whose sum is minimised."""


def autocast(device: torch.device, loop: LoopConfig) -> AbstractContextManager[object]:
    """The precision of forward passes on a device: bfloat16 where the loop asks for it."""
    is_reduced = loop.precision == "bfloat16"
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=is_reduced)


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """One stage of a fit.

    Attributes:
        name: names its history and resume file.
        module: whose mode and state the stage changes.
        groups: the parameters that are trained; all others are frozen meanwhile.
        batches: each iteration is one epoch.
        loop: its hyperparameters.
        generator: draws the batches; a resumed fit restores it.
        training_loss: named losses of a batch; the loop computes their gradients.
        backward: instead of `training_loss`: leaves the gradients of a batch by itself and returns
            the losses, for losses over a whole batch that are computed in pieces.
        metric: the validation figure that selects the epoch; empty for the task's own.
        on_start: called before the first epoch and again when a killed fit resumes, for example to
            compute what the stage before passes on.
        loading: what was read for the newest epoch; None for batches that nobody reads ahead.
        draws_by_row: whether the module draws for each row of its batch (dropout, masks): each
            process then draws numbers of its own. A propagation over the whole graph, which every
            process computes, has to drop the same in all of them.
    """

    name: str
    module: nn.Module
    groups: tuple[ParameterGroup, ...]
    batches: Iterable[Batch]
    loop: LoopConfig
    generator: torch.Generator
    training_loss: TrainingLoss | None = None
    backward: TrainingLoss | None = None
    metric: str = ""
    on_start: Callable[[], None] | None = None
    loading: Callable[[], Loading] | None = None
    draws_by_row: bool = False

    def __post_init__(self) -> None:
        """Refuse a stage with two losses, or none, or nothing to train."""
        if (self.training_loss is None) == (self.backward is None):
            raise ValueError(f"stage {self.name}: give it training_loss or backward, one of them")
        if not self.parameters:
            raise ValueError(f"stage {self.name}: no parameter is trained; leave the stage out")

    @property
    def parameters(self) -> list[nn.Parameter]:
        """The parameters of all groups."""
        return [parameter for group in self.groups for parameter in group.parameters]

    def autocast(self) -> AbstractContextManager[object]:
        """The precision of forward passes: bfloat16 where the loop's configuration asks for it.

        The loop enters it around `training_loss`; a `backward` enters it around its own forward
        passes, and computes gradients outside.
        """
        return autocast(self.parameters[0].device, self.loop)

    def state(self) -> dict[str, Tensor]:
        """What the stage changes of its module: its parameters, and all buffers that are saved.

        A frozen backbone is not in it, so an epoch of an adapter writes the adapter alone.
        """
        trained = {id(parameter) for parameter in self.parameters}
        frozen = {
            name
            for name, parameter in self.module.named_parameters(remove_duplicate=False)
            if id(parameter) not in trained
        }
        return {
            name: value for name, value in self.module.state_dict().items() if name not in frozen
        }

    def load(self, state: dict[str, Tensor]) -> None:
        """Load what `state` returned."""
        self.module.load_state_dict(state, strict=False)
