"""Distributed training: collectives over several processes that train one model.

`torchrun` starts the processes; without it every function here leaves its input unchanged.
Parameters are replicated. Every process draws the same batches with the same candidates and keeps
its own shard of each batch's listeners; sums are divided by what the whole batch has, so that the
average of the processes' gradients is the gradient of one process that has the whole batch.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch
from torch import Tensor
from torch import distributed as dist

if TYPE_CHECKING:
    from torch import nn

Value = TypeVar("Value")

_TIMEOUT = timedelta(hours=2)
"""Others wait while rank 0 evaluates and writes; torchrun notices a dead process at once."""


class ProcessesDifferError(RuntimeError):
    """Two processes of one training have different inputs."""


@contextmanager
def process_group(device: torch.device) -> Iterator[None]:
    """Join the other processes when torchrun started this one; on CUDA each has a GPU of its own.

    Tensors on the CPU go by gloo, those on GPUs by nccl.
    """
    if not dist.is_torchelastic_launched():
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, timeout=_TIMEOUT)
    yield
    # After an error the process just ends: torchrun ends the other processes, which must not wait.
    dist.destroy_process_group()


def n_processes() -> int:
    """How many processes train one model; 1 without torchrun."""
    return dist.get_world_size() if dist.is_initialized() else 1


def process_rank() -> int:
    """Rank of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def is_main() -> bool:
    """Whether this process is rank 0, which writes."""
    return process_rank() == 0


def draw_apart() -> None:
    """From now on torch draws other numbers in each process; in rank 0 those that it would have."""
    if process_rank():
        torch.manual_seed(int(torch.randint(2**62, ())) + process_rank())


def mean_denominator(count: Tensor) -> Tensor:
    """What a sum over this process's shard is divided by to give its part of the batch's mean.

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
    """Mean of values of which each process has those of its shard, shape (n,); n may be 0."""
    return values.sum() / mean_denominator(torch.tensor(len(values), device=values.device))


def mean_over_processes(losses: dict[str, float]) -> dict[str, float]:
    """Mean of each loss over the processes, which all name the same ones."""
    if not dist.is_initialized():
        return losses
    of_all = all_gather(losses)
    return {name: sum(one[name] for one in of_all) / len(of_all) for name in losses}


def broadcast_from_rank0(compute: Callable[[], Value]) -> Value:
    """The result of `compute` in rank 0, for every process; the others do not call it."""
    if not dist.is_initialized():
        return compute()
    values = [compute() if is_main() else None]
    dist.broadcast_object_list(values, device=torch.device("cpu"))
    return cast("Value", values[0])


def all_gather(value: Value) -> list[Value]:
    """The value of every process, in the order of their ranks."""
    if not dist.is_initialized():
        return [value]
    of_all: list[Value | None] = [None] * dist.get_world_size()
    dist.all_gather_object(of_all, value)
    return cast("list[Value]", of_all)


def gather(rows: Tensor) -> Tensor:
    """The rows of every process in the order of their ranks, with gradients to all of them.

    For losses whose negatives are the examples of the whole batch. Processes may have different
    numbers of rows. The gradient that reaches a row is the sum over all processes' losses, so the
    average over processes is the gradient of one process that has the whole batch. Every process
    must call it, so evaluations, which rank 0 makes alone, must not.

    Args:
        rows: shape (n, ...), the same in all processes but for n.

    Returns:
        Shape (sum of n, ...); `rows` itself for one process.
    """
    if not dist.is_initialized():
        return rows
    gathered: Tensor = _Gather.apply(rows)
    return gathered


def gather_in_rank0(values: Iterator[Value]) -> Iterator[Value]:
    """The values of every process's iterator, given by rank 0; the others give none.

    Every process must exhaust it: a round takes one value of each process that still has one.
    """
    if not dist.is_initialized():
        yield from values
        return
    while True:
        mine = next(values, None)
        of_all: list[Value | None] | None = [None] * n_processes() if is_main() else None
        dist.gather_object(mine, of_all)
        found = [one for one in of_all or () if one is not None]
        # Rank 0 sees who had one, and says whether another round is due.
        is_due = broadcast_from_rank0(partial(bool, found))
        yield from found
        if not is_due:
            return


def average_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Replace each gradient by its mean over the processes; a missing one counts as zeros."""
    if not dist.is_initialized():
        return
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        dist.all_reduce(parameter.grad)
        parameter.grad /= dist.get_world_size()


def check_same_in_all_processes(name: str, value: str) -> None:
    """Stop when the processes are about to train different things.

    Raises:
        ProcessesDifferError: another process has another value.
    """
    of_all = all_gather(value)
    if len(set(of_all)) > 1:
        raise ProcessesDifferError(
            f"training: the processes have different {name}: {', '.join(of_all)} (rule: all the "
            "same); something wrote to the lake or changed the code meanwhile, train again"
        )


class _Gather(torch.autograd.Function):
    """all_gather of rows, whose backward pass sums the gradients of all processes."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        counts = all_gather(len(rows))
        rank = process_rank()
        ctx.own = slice(sum(counts[:rank]), sum(counts[: rank + 1]))
        padded = rows.new_zeros(max(counts), *rows.shape[1:])
        padded[: len(rows)] = rows
        of_all = [torch.empty_like(padded) for _ in counts]
        dist.all_gather(of_all, padded)
        return torch.cat([one[:count] for one, count in zip(of_all, counts, strict=True)])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.contiguous()
        dist.all_reduce(total)
        own: Tensor = total[ctx.own]
        return own
