"""Two processes on this machine that train together, as torchrun would start them."""

from __future__ import annotations

from collections.abc import Callable
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
