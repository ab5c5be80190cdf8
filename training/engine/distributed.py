"""Several processes train one model together, each with its part of every batch's people.

`torchrun` starts them; without it everything here leaves things as they are. Parameters are
replicated. Every process draws the same batches with the same candidates and keeps its own people
of each; sums are divided by what the whole batch has, so that the average of the processes'
gradients is the gradient of one process that has the whole batch.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar, cast

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

if TYPE_CHECKING:
    from training.data.batches import LearningBatch
    from training.models.registry import Recommender

Said = TypeVar("Said")

_LONGEST_WAIT = timedelta(hours=2)
"""Others wait while the first measures and writes; torchrun notices a dead process at once."""


class ProcessesDifferError(RuntimeError):
    """Two processes of one training do not have the same before them."""


@contextmanager
def together(device: torch.device) -> Iterator[None]:
    """Join the other processes when torchrun started this one; on CUDA each has a GPU of its own.

    Tensors on the CPU go by gloo, those on GPUs by nccl.
    """
    if not dist.is_torchelastic_launched():
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, timeout=_LONGEST_WAIT)
    yield
    # After an error the process just ends: torchrun ends the others, for which nobody must wait.
    dist.destroy_process_group()


def n_processes() -> int:
    """How many train together; 1 without torchrun."""
    return dist.get_world_size() if dist.is_initialized() else 1


def place() -> int:
    """Which of the processes this is, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def is_first() -> bool:
    """Whether this process is the one that writes."""
    return place() == 0


def own_part(batch: LearningBatch) -> LearningBatch:
    """This process's people of a batch, against the candidates of all."""
    if not dist.is_initialized():
        return batch
    return batch.part(place(), n_processes())


def part_of_mean(count: Tensor) -> Tensor:
    """What a sum over this process's part is divided by to give its part of the batch's mean.

    That is the mean of `count` over processes: the average over processes of (own sum / mean count)
    is (sum of all / count of all), also where one process has more than another, or nothing.
    Alone it is `count`, at least 1. Example: counts 3 and 1 give 2 in both.

    Args:
        count: how many this process sums over, shape () of integers.
    """
    if not dist.is_initialized():
        return count.clamp(min=1)
    of_all = count.clone()
    dist.all_reduce(of_all)
    return of_all.clamp(min=1) / dist.get_world_size()


def mean_over_batch(values: Tensor) -> Tensor:
    """Mean of values of which each process has those of its part, shape (n,); n may be 0."""
    return values.sum() / part_of_mean(torch.tensor(len(values), device=values.device))


def averaging_gradients(model: Recommender) -> Callable[[LearningBatch], dict[str, Tensor]]:
    """`model.training_loss`, whose backward pass leaves the average of all processes' gradients.

    The first process's parameters become everybody's.
    """
    if not dist.is_initialized():
        return model.training_loss
    with warnings.catch_warnings():
        # Sparse buffers cannot be broadcast; what torch wants to be told instead, still does it.
        warnings.filterwarnings("ignore", message="`broadcast_buffers` is deprecated")
        wrapped = DistributedDataParallel(
            _TrainingLoss(model),
            broadcast_buffers=False,
            find_unused_parameters=True,  # a head may have nothing to learn emotion from
        )
    return cast("Callable[[LearningBatch], dict[str, Tensor]]", wrapped)


def averaged(losses: dict[str, float]) -> dict[str, float]:
    """Mean of each loss over the processes, which all name the same ones."""
    if not dist.is_initialized():
        return losses
    of_all = said_by_each(losses)
    return {name: sum(one[name] for one in of_all) / len(of_all) for name in losses}


def said_by_first(say: Callable[[], Said]) -> Said:
    """What `say` gives in the first process, for everybody; the others do not call it."""
    if not dist.is_initialized():
        return say()
    said = [say() if is_first() else None]
    dist.broadcast_object_list(said, device=torch.device("cpu"))
    return cast("Said", said[0])


def said_by_each(value: Said) -> list[Said]:
    """Everybody's value, in the order of the processes."""
    if not dist.is_initialized():
        return [value]
    of_all: list[Said | None] = [None] * dist.get_world_size()
    dist.all_gather_object(of_all, value)
    return cast("list[Said]", of_all)


def refuse_difference(name: str, value: str) -> None:
    """Stop when the processes do not agree on what they are about to train.

    Raises:
        ProcessesDifferError: another process has another value.
    """
    of_all = said_by_each(value)
    if len(set(of_all)) > 1:
        raise ProcessesDifferError(
            f"training: the processes have different {name}: {', '.join(of_all)} (rule: all the "
            "same); something wrote to the lake or changed the code meanwhile, train again"
        )


class _TrainingLoss(nn.Module):
    """DistributedDataParallel listens to `forward`; what we descend is `training_loss`."""

    def __init__(self, model: Recommender) -> None:
        super().__init__()
        self.model = cast("nn.Module", model)

    def forward(self, batch: LearningBatch) -> dict[str, Tensor]:
        return cast("Recommender", self.model).training_loss(batch)
