"""Measures an epoch of LightGCN against RecBole and PyG, and how training and graph jobs grow with size.

    python -m tests.benchmarks.graph [--tries 3] [--largest 10000000] [--most-listens 100000000] [--record]

Peers train on the same pairs with the same dimensions, layers, threads and pairs per step, on the CPU; each has its own loss
(the peers draw one negative track for each listened one, ours ranks against 1,000 candidates). RecBole runs in an environment
that uv builds, because it needs older NumPy, SciPy and pandas. PyG runs twice: with an edge list, as its example has it, and
at its best, with a sparse CSR matrix that is normalised once. Growth of training: steps of 256 users through the whole graph,
with five numbers of edges from a hundredth of the largest on. The cost of a step through an almost empty graph is subtracted,
and the slope is that of the least-squares line through all logarithms. The growth of the graph's Spark jobs
(support/graph_jobs.py) is measured likewise, by number of listens.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from datetime import UTC, datetime
from typing import Annotated

import numpy as np
import typer

from feature_store.settings import load_settings
from tests.benchmarks.support.graph_jobs import BuildCost, measure_builds
from tests.benchmarks.support.light_gcn_epochs import (
    draw_pairs,
    evensong_epochs_s,
    evensong_steps_s,
    pyg_csr,
    pyg_edge_list,
    pyg_epochs_s,
    recbole_epochs_s,
)
from tests.benchmarks.support.memory import peak_mib
from tests.benchmarks.support.record import Section, print_section

PEER_EDGES, PEER_BATCH_PAIRS = 100_000, 4096
STEPS, STEP_USERS = 4, 256  # of the measured growth
FIXED_EDGES = 1_000  # a step costs the same with this few edges as with none
FIXED_LISTENS = 300  # likewise
LEAST_SIZE = 1_000_000  # a hundredth of it costs much more than the fixed cost
PYG_CSR, PYG_EDGE_LIST = "PyG, sparse CSR", "PyG, edge list"
TRAINING_HEADER = ["what", "seconds", "edges a second", "peak MiB"]
JOBS_HEADER = [
    "listens",
    "rows of user, track and day",
    "edges",
    "full build, s",
    "one more day, s",
]


def measure_training(tries: int, largest: int) -> tuple[list[list[str]], dict[str, float]]:
    """Epochs of LightGCN and its peers, and growth of a step: rows of TRAINING_HEADER, and figures."""
    pairs = draw_pairs(PEER_EDGES)
    n_pairs = len(pairs.users)
    recbole_s, recbole_mib = recbole_epochs_s(pairs, PEER_BATCH_PAIRS, tries)
    epochs = {
        "evensong": statistics.median(evensong_epochs_s(pairs, PEER_BATCH_PAIRS, tries)),
        "RecBole": statistics.median(recbole_s),
        PYG_CSR: statistics.median(pyg_epochs_s(pyg_csr, pairs, PEER_BATCH_PAIRS, tries)),
        PYG_EDGE_LIST: statistics.median(
            pyg_epochs_s(pyg_edge_list, pairs, PEER_BATCH_PAIRS, tries)
        ),
    }
    steps = measure_steps([FIXED_EDGES, *sizes_up_to(largest)], tries)
    rows = [
        [f"{name}, an epoch of {n_pairs} edges", f"{epoch_s:.3f}", f"{n_pairs / epoch_s:.0f}", ""]
        for name, epoch_s in epochs.items()
    ]
    rows[1][-1] = f"{recbole_mib:.0f}"
    rows += [
        [
            f"evensong, a step through {n_edges} edges",
            f"{step_s:.3f}",
            f"{n_edges / step_s:.0f}",
            f"{mib:.0f}",
        ]
        for n_edges, (step_s, mib) in steps.items()
    ]
    seconds = {n_edges: step_s for n_edges, (step_s, _) in steps.items() if n_edges != FIXED_EDGES}
    return rows, {
        "epoch_time_ratio_recbole": epochs["RecBole"] / epochs["evensong"],
        "epoch_time_ratio_pyg": epochs[PYG_CSR] / epochs["evensong"],
        "epoch_time_ratio_pyg_edge_list": epochs[PYG_EDGE_LIST] / epochs["evensong"],
        "growth_slope_edges": slope_of(seconds, steps[FIXED_EDGES][0]),
    }


def measure_steps(edge_counts: list[int], tries: int) -> dict[int, tuple[float, float]]:
    """Seconds of a step and peak MiB by number of edges; each size runs in a process of its own."""
    steps = {}
    for n_edges in edge_counts:
        options = ["--only-size", str(n_edges), "--tries", str(tries)]
        output = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.graph", *options],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout
        step_s, mib = json.loads(output.splitlines()[-1])
        steps[n_edges] = (step_s, mib)
    return steps


def measure_jobs(tries: int, most_listens: int) -> tuple[list[list[str]], dict[str, float]]:
    """The graph's Spark jobs: rows of JOBS_HEADER, and figures."""
    listens = [FIXED_LISTENS, *sizes_up_to(most_listens)]
    builds = measure_builds(listens, load_settings(), tries)
    return jobs_rows(builds), jobs_figures(builds)


def jobs_rows(builds: dict[int, BuildCost]) -> list[list[str]]:
    """A row for each number of listens."""
    return [
        [
            str(build.n_listens),
            str(build.n_rows),
            str(build.n_edges),
            f"{build.full_s:.1f}",
            f"{build.incremental_s:.1f}",
        ]
        for build in builds.values()
    ]


def jobs_figures(builds: dict[int, BuildCost]) -> dict[str, float]:
    """Growth of a full build, and the cost of one more day relative to it at the largest size."""
    seconds = {size: build.full_s for size, build in builds.items() if size != FIXED_LISTENS}
    largest = builds[max(builds)]
    return {
        "growth_slope_listens": slope_of(seconds, builds[FIXED_LISTENS].full_s),
        "incremental_ratio": largest.incremental_s / largest.full_s,
    }


def sizes_up_to(largest: int) -> list[int]:
    """Five sizes from a hundredth of the largest on, each 10^(1/2) times the one before."""
    return [round(largest / 10 ** (steps / 2)) for steps in (4, 3, 2, 1, 0)]


def slope_of(seconds: dict[int, float], fixed_s: float) -> float:
    """Slope of the least-squares line through (log size, log seconds) without the fixed cost.

    Of three sizes in equal steps the middle one would not count: the slope is that of the ends.
    """
    sizes = np.log([float(size) for size in seconds])
    costs = np.log([max(value - fixed_s, 1e-9) for value in seconds.values()])
    return float(np.polyfit(sizes, costs, 1)[0])


def _step_cost(n_edges: int, tries: int) -> tuple[float, float]:
    """Median seconds of a step, and the peak memory of this process in MiB."""
    seconds = evensong_steps_s(draw_pairs(n_edges), STEP_USERS, STEPS, tries)
    return statistics.median(seconds) / STEPS, peak_mib()


def main(
    tries: Annotated[int, typer.Option(min=1, help="Timed epochs of each; the median counts.")] = 3,
    largest: Annotated[
        int, typer.Option(min=0, help="Edges of the largest graph; 0 leaves training out.")
    ] = 10_000_000,
    most_listens: Annotated[
        int,
        typer.Option(min=0, help="Listens of the largest build; 0 leaves the Spark jobs out."),
    ] = 100_000_000,
    record: Annotated[bool, typer.Option(help="Rewrite the sections in README.md.")] = False,
    only_size: Annotated[int, typer.Option(hidden=True)] = 0,
) -> None:
    """Measure, print, and record when asked; a part that is left out keeps its section."""
    for option, size in (("--largest", largest), ("--most-listens", most_listens)):
        if 0 < size < LEAST_SIZE:
            raise typer.BadParameter(f"{option} = {size}; must be 0 or at least {LEAST_SIZE}")
    if only_size:
        print(json.dumps(_step_cost(only_size, tries)))
        return
    command = (
        f"python -m tests.benchmarks.graph --tries {tries} --largest {largest} "
        f"--most-listens {most_listens} --record"
    )
    today = datetime.now(UTC).date()
    figures: dict[str, float] = {}
    for size, measure, title, header in (
        (largest, measure_training, "Graph training (LightGCN on the CPU)", TRAINING_HEADER),
        (most_listens, measure_jobs, "Graph jobs", JOBS_HEADER),
    ):
        if size:
            rows, found = measure(tries, size)
            print_section(Section(title, command, today, None, header, rows), record=record)
            figures |= found
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}))


if __name__ == "__main__":
    typer.run(main)
