"""How many people a second get their exact lists, beside `implicit`'s top-k on the same factors?

    python -m tests.benchmarks.topk [--tracks 100000] [--k 20] [--tries 5] [--record]

Both score the same people over the whole catalogue, leave out the same heard tracks and give the same lists, with the
same number of threads, each with its best block size of those tried; tries alternate, and the median counts. Memory is
the peak of a process of its own that ranks ten times as many people.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

import numpy as np
import torch
import typer
from implicit.cpu.topk import topk
from rich.console import Console
from rich.progress import track
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from tests.benchmarks.support.memory import peak_mib
from tests.benchmarks.support.record import Section, show
from training.data.interactions import Pairs
from training.evaluation.top_k import best_tracks, leave_out_

DIM = 64
HEARD_EACH = 50
BLOCKS = (64, 256, 1024)
N_USERS = 2048
SEED = 11


class Factors:
    """Random people and tracks, and what each person heard."""

    def __init__(self, n_users: int, n_tracks: int) -> None:
        chance = np.random.default_rng(SEED)
        self.users = chance.standard_normal((n_users, DIM), dtype=np.float32)
        self.tracks = chance.standard_normal((n_tracks, DIM), dtype=np.float32)
        people = np.repeat(np.arange(n_users), HEARD_EACH)
        keys = np.unique(people * n_tracks + chance.integers(0, n_tracks, len(people)))
        rows, columns = keys // n_tracks, keys % n_tracks
        self.heard = Pairs(torch.from_numpy(rows), torch.from_numpy(columns), torch.ones(len(rows)))
        self.heard_matrix = csr_matrix(
            (np.ones(len(rows), np.float32), (rows, columns)), (n_users, n_tracks)
        )


def ours(factors: Factors, k: int, block: int) -> np.ndarray:
    """Lists of everybody, shape (n_users, k)."""
    users, tracks = torch.from_numpy(factors.users), torch.from_numpy(factors.tracks)
    lists = [
        best_tracks(leave_out_(users[some] @ tracks.T, some, factors.heard), k).tracks
        for some in torch.arange(len(users)).split(block)
    ]
    return torch.cat(lists).numpy()


def theirs(factors: Factors, k: int, block: int) -> np.ndarray:
    """The same by implicit, whose threads each call BLAS, which therefore must not start more."""
    n_threads = torch.get_num_threads()
    with threadpool_limits(1, "blas"):
        lists = [
            topk(
                factors.tracks,
                factors.users[start : start + block],
                k,
                filter_query_items=factors.heard_matrix[start : start + block],
                num_threads=n_threads,
            )[0]
            for start in range(0, len(factors.users), block)
        ]
    return np.concatenate(lists)


def users_per_s(rank: Callable[[int], np.ndarray], block: int) -> float:
    """One timed run."""
    started_at_s = time.perf_counter()
    n_users = len(rank(block))
    return n_users / (time.perf_counter() - started_at_s)


def peak_growth_mib(n_users: int, n_tracks: int, k: int) -> float:
    """By how much the peak memory of a process grows while it ranks so many people."""
    options = ["--only-memory", str(n_users), "--tracks", str(n_tracks), "--k", str(k)]
    said = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.topk", *options],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return float(said.splitlines()[-1])


def _growth_mib(n_users: int, n_tracks: int, k: int) -> float:
    """The same, in this process; the lists themselves are let go."""
    factors = Factors(n_users, n_tracks)
    users, tracks = torch.from_numpy(factors.users), torch.from_numpy(factors.tracks)
    before_mib = peak_mib()
    for some in torch.arange(n_users).split(BLOCKS[1]):
        best_tracks(leave_out_(users[some] @ tracks.T, some, factors.heard), k)
    return peak_mib() - before_mib


def main(
    tracks: Annotated[int, typer.Option(min=100, help="Size of the catalogue.")] = 100_000,
    k: Annotated[int, typer.Option(min=1, help="Length of the lists.")] = 20,
    tries: Annotated[int, typer.Option(min=1, help="Timed runs of each.")] = 5,
    record: Annotated[bool, typer.Option(help="Rewrite the section in README.md.")] = False,
    only_memory: Annotated[int, typer.Option(hidden=True)] = 0,
) -> None:
    """Measure, print, and record when asked."""
    if only_memory:
        print(_growth_mib(only_memory, tracks, k))
        return
    factors = Factors(N_USERS, tracks)
    same = float((ours(factors, k, BLOCKS[0]) == theirs(factors, k, BLOCKS[0])).mean())
    speeds: dict[tuple[str, int], list[float]] = {}
    for _ in track(range(tries), "ranking", console=Console(stderr=True)):
        for block in BLOCKS:
            for name, rank in (("evensong", ours), ("implicit", theirs)):
                speed = users_per_s(lambda size, rank=rank: rank(factors, k, size), block)
                speeds.setdefault((name, block), []).append(speed)
    best = {
        name: max(statistics.median(speeds[name, block]) for block in BLOCKS)
        for name in ("evensong", "implicit")
    }
    few, many = (peak_growth_mib(n_users, tracks, k) for n_users in (N_USERS, 10 * N_USERS))
    header = ["ranked by", "people a second", "best block"]
    rows = [
        [
            name,
            f"{best[name]:.0f}",
            str(max(BLOCKS, key=lambda b: statistics.median(speeds[name, b]))),
        ]
        for name in best
    ]
    rows.append(
        [f"memory for {N_USERS} and {10 * N_USERS} people", f"{few:.0f} and {many:.0f} MiB", ""]
    )
    rows.append(["places with the same track", f"{same:.4%}", ""])
    command = f"python -m tests.benchmarks.topk --tracks {tracks} --k {k} --tries {tries} --record"
    title, today = "Exact top-k", datetime.now(UTC).date()
    show(Section(title, command, today, None, header, rows), record=record)
    figures = {
        "users_per_s_ratio_implicit": round(best["evensong"] / best["implicit"], 3),
        "places_equal": round(same, 6),
        "memory_growth_mib_few": round(few, 1),
        "memory_growth_mib_many": round(many, 1),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    typer.run(main)
