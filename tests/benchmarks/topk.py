"""Measures exact top-k ranking: listeners per second, against `implicit` on the same factors, and memory.

    python -m tests.benchmarks.topk [--tracks 100000] [--k 20] [--tries 5] [--record]

Both rank the whole catalogue for the same listeners, exclude the same heard tracks and return the same lists, with the same
number of threads and each with its fastest block size; tries alternate, and the median counts. Memory is the peak growth of
a process that ranks for N_USERS listeners, and of one that ranks for ten times as many.
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
from tests.benchmarks.support.record import Section, print_section
from training.data.interactions import Pairs
from training.evaluation.top_k import mask_listened_, top_k_tracks

DIM = 64
HEARD_TRACKS_PER_USER = 50
BLOCK_SIZES = (64, 256, 1024)
N_USERS = 2048
SEED = 11
HEADER = ["ranked by", "listeners a second", "best block"]


class Factors:
    """Random factors of users and tracks, and the heard tracks of each user."""

    def __init__(self, n_users: int, n_tracks: int) -> None:
        rng = np.random.default_rng(SEED)
        self.users = rng.standard_normal((n_users, DIM), dtype=np.float32)
        self.tracks = rng.standard_normal((n_tracks, DIM), dtype=np.float32)
        users = np.repeat(np.arange(n_users), HEARD_TRACKS_PER_USER)
        keys = np.unique(users * n_tracks + rng.integers(0, n_tracks, len(users)))
        rows, columns = keys // n_tracks, keys % n_tracks
        self.listened = Pairs(
            torch.from_numpy(rows), torch.from_numpy(columns), torch.ones(len(rows))
        )
        self.heard_matrix = csr_matrix(
            (np.ones(len(rows), np.float32), (rows, columns)), (n_users, n_tracks)
        )


def rank_by_evensong(factors: Factors, k: int, block_size: int) -> np.ndarray:
    """Top-k tracks of every user, shape (n_users, k)."""
    users, tracks = torch.from_numpy(factors.users), torch.from_numpy(factors.tracks)
    lists = [
        top_k_tracks(mask_listened_(users[block] @ tracks.T, block, factors.listened), k).tracks
        for block in torch.arange(len(users)).split(block_size)
    ]
    return torch.cat(lists).numpy()


def rank_by_implicit(factors: Factors, k: int, block_size: int) -> np.ndarray:
    """The same lists by implicit; its threads call BLAS, which therefore must not start more threads."""
    n_threads = torch.get_num_threads()
    with threadpool_limits(1, "blas"):
        lists = [
            topk(
                factors.tracks,
                factors.users[start : start + block_size],
                k,
                filter_query_items=factors.heard_matrix[start : start + block_size],
                num_threads=n_threads,
            )[0]
            for start in range(0, len(factors.users), block_size)
        ]
    return np.concatenate(lists)


RANKERS = {"evensong": rank_by_evensong, "implicit": rank_by_implicit}


def users_per_s(rank: Callable[[int], np.ndarray], block_size: int) -> float:
    """Users per second of one timed run."""
    started_at_s = time.perf_counter()
    n_users = len(rank(block_size))
    return n_users / (time.perf_counter() - started_at_s)


def median_speeds(factors: Factors, k: int, tries: int) -> dict[str, dict[int, float]]:
    """Median users per second of each ranker, by block size; the rankers alternate."""
    speeds: dict[tuple[str, int], list[float]] = {}
    for _ in track(range(tries), "ranking", console=Console(stderr=True)):
        for block_size in BLOCK_SIZES:
            for name, ranker in RANKERS.items():
                speed = users_per_s(
                    lambda size, ranker=ranker: ranker(factors, k, size), block_size
                )
                speeds.setdefault((name, block_size), []).append(speed)
    return {
        name: {size: statistics.median(speeds[name, size]) for size in BLOCK_SIZES}
        for name in RANKERS
    }


def peak_growth_mib(n_users: int, n_tracks: int, k: int) -> float:
    """Growth of peak memory in a new process that ranks for `n_users` users."""
    options = ["--only-memory", str(n_users), "--tracks", str(n_tracks), "--k", str(k)]
    output = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.topk", *options],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return float(output.splitlines()[-1])


def _growth_mib(n_users: int, n_tracks: int, k: int) -> float:
    """The same growth in this process, which discards the lists."""
    factors = Factors(n_users, n_tracks)
    users, tracks = torch.from_numpy(factors.users), torch.from_numpy(factors.tracks)
    before_mib = peak_mib()
    for block in torch.arange(n_users).split(BLOCK_SIZES[1]):
        top_k_tracks(mask_listened_(users[block] @ tracks.T, block, factors.listened), k)
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
    own_lists, other_lists = (ranker(factors, k, BLOCK_SIZES[0]) for ranker in RANKERS.values())
    equal_share = float((own_lists == other_lists).mean())
    speeds = median_speeds(factors, k, tries)
    best = {name: max(of_sizes.values()) for name, of_sizes in speeds.items()}
    few, many = (peak_growth_mib(n_users, tracks, k) for n_users in (N_USERS, 10 * N_USERS))
    rows = [
        [name, f"{best[name]:.0f}", str(max(of_sizes, key=lambda size, of=of_sizes: of[size]))]
        for name, of_sizes in speeds.items()
    ]
    users = f"memory for {N_USERS} and {10 * N_USERS} listeners"
    rows.append([users, f"{few:.0f} and {many:.0f} MiB", ""])
    rows.append(["places with the same track", f"{equal_share:.4%}", ""])
    command = f"python -m tests.benchmarks.topk --tracks {tracks} --k {k} --tries {tries} --record"
    title, today = "Exact top-k", datetime.now(UTC).date()
    print_section(Section(title, command, today, None, HEADER, rows), record=record)
    figures = {
        "users_per_s_ratio_implicit": round(best["evensong"] / best["implicit"], 3),
        "places_equal": round(equal_share, 6),
        "memory_growth_mib_few": round(few, 1),
        "memory_growth_mib_many": round(many, 1),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    typer.run(main)
