"""How fast is an epoch on a graph, beside RecBole's and PyG's LightGCN, and how do a step and the graph's jobs grow?

    python -m tests.benchmarks.graph [--tries 3] [--largest 10000000] [--most-listens 100000000] [--record]

Peers: the same pairs, dimensions, layers, threads and pairs a step, on the CPU; each with the loss that it comes with
(theirs draw one track for each heard one, ours ranks against 1,000). RecBole runs in an environment of its own, which
uv makes, because it needs older NumPy, SciPy and pandas. Growth: steps of 256 people through the whole graph, of as many
edges, a tenth and a hundredth; what a step through an almost empty graph costs is subtracted, and the slope is that of a
line through the logarithms. The graph's Spark jobs (graph_jobs.py) grow by the same rule, in numbers of listens.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from torch_geometric.nn import LightGCN as PygLightGCN

from feature_store.settings import load_settings
from tests.benchmarks.graph_jobs import Built, measured
from tests.benchmarks.support.memory import peak_mib
from tests.benchmarks.support.record import Section, show
from training.data.batches import LearningBatches
from training.data.dataset import Evidence
from training.data.graph import Edges, SocialGraph
from training.data.interactions import Pairs
from training.data.nodes import IdList, Nodes
from training.engine.loop import LoopConfig, deterministic, fit
from training.models.ranking.light_gcn import LightGCN, LightGCNConfig

SEED = 11
DIM, LAYERS = 64, 3
COMPARED_EDGES, COMPARED_PAIRS_A_STEP = 100_000, 4096
LISTENS_EACH = 50  # pairs of a person, as HetRec's people have
CANDIDATES = 1_000
STEPS, STEP_USERS = 4, 256  # whose growth with the graph is measured
FIXED_EDGES = 1_000  # what costs so much for them costs as much for none
FIXED_LISTENS = 300  # likewise
LEAST_SIZE = 1_000_000  # whose hundredth costs much more than what is fixed
TRAINING_HEADER = ["what", "seconds", "edges a second", "peak MiB"]
JOBS_HEADER = [
    "listens",
    "rows of user, track and day",
    "edges",
    "full build, s",
    "one more day, s",
]
PEERS = Path(__file__).parent / "peers"
RECBOLE = ("recbole==1.2.1", "numpy<2", "scipy<1.13", "pandas<2.2", "setuptools<81")


@dataclass(frozen=True, slots=True)
class Listened:
    """Pairs of a graph, in order of user, then track."""

    users: np.ndarray
    tracks: np.ndarray
    n_users: int
    n_tracks: int

    @property
    def evidence(self) -> Evidence:
        """The graph as families get it, with listens alone."""
        nothing = torch.zeros(0, dtype=torch.int64)
        edges = Edges(nothing, nothing)
        people, tracks = (
            IdList(kind, np.array([f"{number:09d}" for number in range(n)]))
            for kind, n in (("user", self.n_users), ("track", self.n_tracks))
        )
        nobody = (IdList.of(kind, ()) for kind in ("artist", "tag", "album"))
        nodes = Nodes(people, tracks, *nobody)
        users, heard = torch.from_numpy(self.users), torch.from_numpy(self.tracks)
        pairs = Pairs(users, heard, torch.ones(len(users)))
        return Evidence(SocialGraph(nodes, pairs, *[edges] * 5), {})


def drawn(n_edges: int) -> Listened:
    """About so many distinct pairs; a few tracks are heard by many, most by few."""
    chance = np.random.default_rng(SEED)
    n_users, n_tracks = max(4, n_edges // LISTENS_EACH), max(100, n_edges // 10)
    users = np.repeat(np.arange(n_users), LISTENS_EACH)
    tracks = np.floor(n_tracks * chance.random(len(users)) ** 3).astype(np.int64)
    keys = np.unique(users * n_tracks + tracks)
    return Listened(keys // n_tracks, keys % n_tracks, n_users, n_tracks)


def our_epoch_s(listened: Listened, pairs_a_step: int, tries: int) -> list[float]:
    """Seconds of each of some epochs of our LightGCN."""
    people_a_step = round(pairs_a_step * listened.n_users / len(listened.users))
    return _fitted_s(listened, people_a_step, None, tries)


def _fitted_s(
    listened: Listened, people_a_step: int, n_steps: int | None, tries: int
) -> list[float]:
    """Seconds of some epochs, or of their first steps."""
    evidence = listened.evidence
    batches = LearningBatches(
        heard=evidence.graph.listened,
        n_tracks=listened.n_tracks,
        batch_users=people_a_step,
        min_batches=1,
        max_candidates=CANDIDATES,
        max_shared=CANDIDATES,
        generator=torch.Generator().manual_seed(SEED),
        device=torch.device("cpu"),
    )
    with deterministic(SEED, torch.get_num_threads()):
        model = LightGCN(LightGCNConfig(DIM, LAYERS), evidence)
        return [
            _timed(lambda: fit(model, islice(batches, n_steps), LoopConfig(), n_epochs=1))
            for _ in range(tries)
        ]


def pyg_epoch_s(listened: Listened, pairs_a_step: int, tries: int) -> list[float]:
    """The same of PyG's LightGCN, learned as its documentation says."""
    users, tracks = torch.from_numpy(listened.users), torch.from_numpy(listened.tracks)
    heard = torch.stack([users, listened.n_users + tracks])
    both_ways = torch.cat([heard, heard.flip(0)], dim=1)
    n_nodes = listened.n_users + listened.n_tracks
    with deterministic(SEED, torch.get_num_threads()):
        model = PygLightGCN(n_nodes, DIM, LAYERS)
        optimiser = torch.optim.Adam(model.parameters(), lr=LoopConfig().learning_rate)

        def epoch() -> None:
            for some in torch.randperm(heard.shape[1]).split(pairs_a_step):
                unheard = torch.randint(listened.n_users, n_nodes, (len(some),))
                ranked = torch.cat([heard[:, some], torch.stack([heard[0, some], unheard])], dim=1)
                optimiser.zero_grad()
                better, worse = model(both_ways, ranked).chunk(2)
                model.recommendation_loss(better, worse, node_id=ranked.unique()).backward()
                optimiser.step()

        return [_timed(epoch) for _ in range(tries)]


def recbole_epoch_s(listened: Listened, pairs_a_step: int, tries: int) -> tuple[list[float], float]:
    """The same of RecBole's LightGCN, and the peak memory of its process in MiB."""
    with tempfile.TemporaryDirectory() as folder:
        pairs = Path(folder) / "pairs.npz"
        np.savez(pairs, users=listened.users, tracks=listened.tracks)
        numbers = (DIM, LAYERS, pairs_a_step, tries, torch.get_num_threads())
        needed = [part for wanted in RECBOLE for part in ("--with", wanted)]
        python = ["--python", "3.11", "--with", f"torch=={torch.__version__.split('+')[0]}"]
        script = ["python", "-W", "ignore", str(PEERS / "recbole_light_gcn.py"), str(pairs)]
        script += [str(number) for number in numbers]
        said = subprocess.run(
            ["uv", "run", "--quiet", "--no-project", *python, *needed, *script],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,  # RecBole leaves folders where it runs
            env={**os.environ, "PYTHONPATH": str(PEERS.parents[2])},
        ).stdout
    found = json.loads(said.splitlines()[-1])
    return found["seconds"], found["peak_mib"]


def growth(edge_counts: list[int], tries: int) -> dict[int, tuple[float, float]]:
    """Seconds of a step and peak MiB by number of edges; each size in a process of its own."""
    found = {}
    for n_edges in edge_counts:
        options = ["--only-size", str(n_edges), "--tries", str(tries)]
        said = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.graph", *options],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout
        seconds, peak_mib = json.loads(said.splitlines()[-1])
        found[n_edges] = (seconds, peak_mib)
    return found


def slope_of(seconds: dict[int, float], fixed_s: float) -> float:
    """Slope of a line through (log size, log seconds), the fixed cost subtracted."""
    sizes = np.log([float(size) for size in seconds])
    costs = np.log([max(value - fixed_s, 1e-9) for value in seconds.values()])
    return float(np.polyfit(sizes, costs, 1)[0])


def _timed(work: Callable[[], object]) -> float:
    started_at_s = time.perf_counter()
    work()
    return time.perf_counter() - started_at_s


def _measured_size(n_edges: int, tries: int) -> tuple[float, float]:
    """Median seconds of a step, and the peak memory of this process in MiB."""
    seconds = _fitted_s(drawn(n_edges), STEP_USERS, STEPS, tries)
    return statistics.median(seconds) / STEPS, peak_mib()


def jobs_rows(builds: dict[int, Built]) -> list[list[str]]:
    """A row for each number of listens."""
    return [
        [
            str(one.n_listens),
            str(one.n_rows),
            str(one.n_edges),
            f"{one.full_s:.1f}",
            f"{one.incremental_s:.1f}",
        ]
        for one in builds.values()
    ]


def jobs_figures(builds: dict[int, Built]) -> dict[str, float]:
    """Growth of a full build, and what one more day costs beside it at the largest size."""
    seconds = {size: one.full_s for size, one in builds.items() if size != FIXED_LISTENS}
    largest = builds[max(builds)]
    return {
        "growth_slope_listens": slope_of(seconds, builds[FIXED_LISTENS].full_s),
        "incremental_ratio": largest.incremental_s / largest.full_s,
    }


def measure_training(tries: int, largest: int) -> tuple[list[list[str]], dict[str, float]]:
    """Epochs beside the peers' and growth of a step: rows of TRAINING_HEADER, and figures."""
    listened = drawn(COMPARED_EDGES)
    n_pairs = len(listened.users)
    theirs, recbole_mib = recbole_epoch_s(listened, COMPARED_PAIRS_A_STEP, tries)
    epochs = {
        "evensong": statistics.median(our_epoch_s(listened, COMPARED_PAIRS_A_STEP, tries)),
        "RecBole": statistics.median(theirs),
        "PyG": statistics.median(pyg_epoch_s(listened, COMPARED_PAIRS_A_STEP, tries)),
    }
    grown = growth([FIXED_EDGES, largest // 100, largest // 10, largest], tries)
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
        for n_edges, (step_s, mib) in grown.items()
    ]
    seconds = {n_edges: one[0] for n_edges, one in grown.items() if n_edges != FIXED_EDGES}
    return rows, {
        "epoch_time_ratio_recbole": epochs["RecBole"] / epochs["evensong"],
        "epoch_time_ratio_pyg": epochs["PyG"] / epochs["evensong"],
        "growth_slope_edges": slope_of(seconds, grown[FIXED_EDGES][0]),
    }


def measure_jobs(tries: int, most_listens: int) -> tuple[list[list[str]], dict[str, float]]:
    """The graph's Spark jobs: rows of JOBS_HEADER, and figures."""
    listens = [FIXED_LISTENS, most_listens // 100, most_listens // 10, most_listens]
    builds = measured(listens, load_settings(), tries)
    return jobs_rows(builds), jobs_figures(builds)


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
    """Measure, print, and record when asked; what is left out keeps its section."""
    for option, size in (("--largest", largest), ("--most-listens", most_listens)):
        if 0 < size < LEAST_SIZE:
            raise typer.BadParameter(f"{option} = {size}; must be 0 or at least {LEAST_SIZE}")
    if only_size:
        print(json.dumps(_measured_size(only_size, tries)))
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
            show(Section(title, command, today, None, header, rows), record=record)
            figures |= found
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}))


if __name__ == "__main__":
    typer.run(main)
