"""Processes on this machine: two that train together, as torchrun would start them; one that is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import torch
from torch import distributed as dist
from torch import multiprocessing

N_PROCESSES = 2
# Each process would import torch and all of training anew; they are forked from a server that has
# imported both. Its environment is that of its start, at the first use.
multiprocessing.set_forkserver_preload(["torch", "training.train", "training.predict"])


def in_two_processes(do: Callable[..., Any], folder: Path, *arguments: Any) -> list[Any]:
    """What `do(rank, *arguments)` gives in each of two processes joined by gloo."""
    multiprocessing.start_processes(
        _one, (do, folder, arguments), nprocs=N_PROCESSES, start_method="forkserver"
    )
    return [torch.load(folder / f"result-{rank}.pt") for rank in range(N_PROCESSES)]


def _one(rank: int, do: Callable[..., Any], folder: Path, arguments: tuple[Any, ...]) -> None:
    torch.set_num_threads(1)
    rendezvous = f"file://{folder / 'rendezvous'}"
    dist.init_process_group("gloo", rendezvous, rank=rank, world_size=N_PROCESSES)
    torch.save(do(rank, *arguments), folder / f"result-{rank}.pt")
    dist.destroy_process_group()


def exit_code_of(do: Callable[..., Any], *arguments: Any) -> int | None:
    """How a process that does this ends: negative for a signal, such as -9 for SIGKILL."""
    process = multiprocessing.get_context("forkserver").Process(target=do, args=arguments)
    process.start()
    process.join()
    return process.exitcode


def killed_at(call: int, do: Callable[..., Any]) -> Callable[..., Any]:
    """`do`, whose process ends by SIGKILL when it has returned for the `call`-th time."""
    calls = count(1)

    def counted(*arguments: Any, **options: Any) -> Any:
        done = do(*arguments, **options)
        if next(calls) == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    return counted
