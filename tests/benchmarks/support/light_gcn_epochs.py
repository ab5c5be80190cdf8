"""Seconds of an epoch of LightGCN: ours, RecBole's and PyG's, on the same pairs and the CPU."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch_geometric.nn import LightGCN as PygLightGCN
from torch_geometric.nn.conv.gcn_conv import gcn_norm

from tests.training.fitting import fit
from training.data.batches import TrainingBatches
from training.data.dataset import DataView
from training.data.graph import Edges, SocialGraph, csr
from training.data.interactions import Pairs
from training.data.nodes import IdList, Nodes
from training.engine.loop import deterministic
from training.engine.loop_config import LoopConfig
from training.models.ranking.light_gcn import LightGCN, LightGCNConfig

SEED = 11
DIM, LAYERS = 64, 3
PAIRS_PER_USER = 50  # as in HetRec
CANDIDATES = 1_000
PEERS = Path(__file__).parents[1] / "peers"
RECBOLE = ("recbole==1.2.1", "numpy<2", "scipy<1.13", "pandas<2.2", "setuptools<81")


@dataclass(frozen=True, slots=True)
class ListenedPairs:
    """Listened pairs of a graph, in order of user, then track."""

    users: np.ndarray
    tracks: np.ndarray
    n_users: int
    n_tracks: int

    @property
    def n_nodes(self) -> int:
        """Users and tracks."""
        return self.n_users + self.n_tracks

    @property
    def view(self) -> DataView:
        """The data view that models get: a graph with listens alone."""
        no_nodes = torch.zeros(0, dtype=torch.int64)
        no_edges = Edges(no_nodes, no_nodes)
        users, tracks = (
            IdList(kind, np.array([f"{number:09d}" for number in range(n)]))
            for kind, n in (("user", self.n_users), ("track", self.n_tracks))
        )
        empty = (IdList.of(kind, ()) for kind in ("artist", "tag", "album"))
        nodes = Nodes(users, tracks, *empty)
        sources, targets = torch.from_numpy(self.users), torch.from_numpy(self.tracks)
        pairs = Pairs(sources, targets, torch.ones(len(sources)))
        return DataView(SocialGraph(nodes, pairs, *[no_edges] * 5), {})


def draw_pairs(n_edges: int) -> ListenedPairs:
    """About `n_edges` distinct pairs; the popularity of tracks has a long tail."""
    rng = np.random.default_rng(SEED)
    n_users, n_tracks = max(4, n_edges // PAIRS_PER_USER), max(100, n_edges // 10)
    users = np.repeat(np.arange(n_users), PAIRS_PER_USER)
    tracks = np.floor(n_tracks * rng.random(len(users)) ** 3).astype(np.int64)
    keys = np.unique(users * n_tracks + tracks)
    return ListenedPairs(keys // n_tracks, keys % n_tracks, n_users, n_tracks)


def evensong_epochs_s(pairs: ListenedPairs, batch_pairs: int, tries: int) -> list[float]:
    """Seconds of each of `tries` epochs of our LightGCN."""
    batch_users = round(batch_pairs * pairs.n_users / len(pairs.users))
    return evensong_steps_s(pairs, batch_users, None, tries)


def evensong_steps_s(
    pairs: ListenedPairs, batch_users: int, n_steps: int | None, tries: int
) -> list[float]:
    """Seconds of the first `n_steps` steps of each of `tries` epochs; None for all steps."""
    view = pairs.view
    batches = TrainingBatches(
        listened=view.graph.listened,
        n_tracks=pairs.n_tracks,
        batch_users=batch_users,
        min_batches=1,
        max_candidates=CANDIDATES,
        generator=torch.Generator().manual_seed(SEED),
        device=torch.device("cpu"),
    )
    with deterministic(SEED, torch.get_num_threads()):
        model = LightGCN(LightGCNConfig(DIM, LAYERS), view)
        return [
            _timed(lambda: fit(model, islice(batches, n_steps), LoopConfig(), n_epochs=1))
            for _ in range(tries)
        ]


def pyg_edge_list(pairs: ListenedPairs) -> tuple[PygLightGCN, Tensor]:
    """PyG's LightGCN and its graph as an edge list, as in PyG's example; every layer normalises it again."""
    return PygLightGCN(pairs.n_nodes, DIM, LAYERS), _both_ways(pairs)


def pyg_csr(pairs: ListenedPairs) -> tuple[PygLightGCN, Tensor]:
    """PyG's LightGCN and its graph as a sparse CSR matrix, normalised once: the fastest path PyG documents.

    Layers then multiply by the matrix and write no message for each edge. Reference: PyG's
    documentation, "Memory-Efficient Aggregations".
    """
    edges, weights = gcn_norm(_both_ways(pairs), None, pairs.n_nodes, add_self_loops=False)
    shape = (pairs.n_nodes, pairs.n_nodes)
    model = PygLightGCN(pairs.n_nodes, DIM, LAYERS, normalize=False)
    return model, csr(edges[0], edges[1], weights, shape)


def pyg_epochs_s(
    build: Callable[[ListenedPairs], tuple[PygLightGCN, Tensor]],
    pairs: ListenedPairs,
    batch_pairs: int,
    tries: int,
) -> list[float]:
    """Seconds of each epoch of PyG's LightGCN, trained as its documentation says."""
    heard = _heard(pairs)
    with deterministic(SEED, torch.get_num_threads()):
        model, graph = build(pairs)
        optimiser = torch.optim.Adam(model.parameters(), lr=LoopConfig().learning_rate)

        def epoch() -> None:
            for batch in torch.randperm(heard.shape[1]).split(batch_pairs):
                negatives = torch.randint(pairs.n_users, pairs.n_nodes, (len(batch),))
                ranked = torch.cat(
                    [heard[:, batch], torch.stack([heard[0, batch], negatives])], dim=1
                )
                optimiser.zero_grad()
                positive_scores, negative_scores = model(graph, ranked).chunk(2)
                model.recommendation_loss(
                    positive_scores, negative_scores, node_id=ranked.unique()
                ).backward()
                optimiser.step()

        return [_timed(epoch) for _ in range(tries)]


def recbole_epochs_s(
    pairs: ListenedPairs, batch_pairs: int, tries: int
) -> tuple[list[float], float]:
    """Seconds of each epoch of RecBole's LightGCN, and the peak memory of its process in MiB."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pairs.npz"
        np.savez(file, users=pairs.users, tracks=pairs.tracks)
        numbers = (DIM, LAYERS, batch_pairs, tries, torch.get_num_threads())
        requirements = [part for requirement in RECBOLE for part in ("--with", requirement)]
        python = ["--python", "3.11", "--with", f"torch=={torch.__version__.split('+')[0]}"]
        script = ["python", "-W", "ignore", str(PEERS / "recbole_light_gcn.py"), str(file)]
        script += [str(number) for number in numbers]
        output = subprocess.run(
            ["uv", "run", "--quiet", "--no-project", *python, *requirements, *script],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,  # RecBole leaves folders where it runs
            env={**os.environ, "PYTHONPATH": str(PEERS.parents[2])},
        ).stdout
    figures = json.loads(output.splitlines()[-1])
    return figures["seconds"], figures["peak_mib"]


def _heard(pairs: ListenedPairs) -> Tensor:
    """Nodes of each pair, shape (2, n_pairs); tracks come behind the users."""
    users, tracks = torch.from_numpy(pairs.users), torch.from_numpy(pairs.tracks)
    return torch.stack([users, pairs.n_users + tracks])


def _both_ways(pairs: ListenedPairs) -> Tensor:
    """Edges in both directions, shape (2, 2 n_pairs)."""
    heard = _heard(pairs)
    return torch.cat([heard, heard.flip(0)], dim=1)


def _timed(work: Callable[[], object]) -> float:
    started_at_s = time.perf_counter()
    work()
    return time.perf_counter() - started_at_s
