"""Neighbour sampling: draws a subgraph, so that a training step avoids the whole graph.

The last propagation step needs the states of the seed nodes' neighbours, the step before it those
of the neighbours' neighbours. Each node draws at most `fan_out` neighbours without replacement.
Drawn edges are weighted by the inverse of their inclusion probability, so that a step is unbiased.
A node with at most `fan_out` neighbours has all of them, with the weights of the whole graph.

Sampling without replacement: Efraimidis and Spirakis 2006 (exponential keys). Weights of drawn
edges: Cohen and Kaplan 2007, rank conditioning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from training.data.graph import csr


@dataclass(frozen=True, slots=True, eq=False)
class Neighbourhood:
    """The sampled subgraph from which the states of the seed nodes are computed.

    Attributes:
        nodes: positions in the graph of the nodes whose inputs are needed, shape (n_inputs,); the
            seed nodes come first, in the order given.
        steps: sparse CSR matrices, the first to be applied first: each maps the states of the
            first so many of `nodes` to those of fewer, its rows; edges are relabelled to indices
            into `nodes`.
    """

    nodes: Tensor
    steps: tuple[Tensor, ...]

    def to(self, device: torch.device) -> Neighbourhood:
        """The same on another device."""
        return Neighbourhood(self.nodes.to(device), tuple(step.to(device) for step in self.steps))


@dataclass(frozen=True, slots=True, eq=False)
class EdgeOverride:
    """Other weights for the stored edges of some nodes, in place of an adjacency's entries.

    Attributes:
        nodes: whose edges, shape (n_nodes,) bool; one end is enough.
        values: of every stored edge, shape (nnz,); only those of their edges are used.
    """

    nodes: Tensor
    values: Tensor

    def apply_to(self, adjacency: Tensor) -> Tensor:
        """The adjacency with these weights, sparse CSR, with the same stored edges."""
        starts, ends = adjacency.crow_indices(), adjacency.col_indices()
        at_source = self.nodes.repeat_interleave(starts.diff(), output_size=len(ends))
        values = torch.where(at_source | self.nodes[ends], self.values, adjacency.values())
        return torch.sparse_csr_tensor(
            starts, ends, values, adjacency.shape, check_invariants=False
        )

    def of_edges(self, edges: Tensor, rows: Tensor, ends: Tensor, default: Tensor) -> Tensor:
        """Weights of some stored edges, shape (n,): by index, both ends, and default weight."""
        return torch.where(self.nodes[rows] | self.nodes[ends], self.values[edges], default)


class NeighbourSampler:
    """Samples neighbourhoods from an adjacency."""

    def __init__(
        self,
        adjacency: Tensor,
        sampling_weights: Tensor,
        fan_outs: Sequence[int],
        generator: torch.Generator,
    ) -> None:
        """Index the stored edges.

        Args:
            adjacency: sparse CSR on the CPU, shape (n_nodes, n_nodes): row i holds i's neighbours.
                Only its edges can be drawn, so build it from the train view of a split.
            sampling_weights: relative probability of each stored edge within its row, (nnz,),
                above 0: `uniform_sampling` or `weighted_sampling`.
            fan_outs: neighbours drawn per node at most, for each step, the last step first: the one
                that ends at the seed nodes.
            generator: on the CPU; the same state draws the same neighbours.

        Raises:
            ValueError: a fan-out below 1, or a sampling weight that is not above 0.
        """
        if min(fan_outs, default=1) < 1:
            raise ValueError(f"neighbours: fan-outs {tuple(fan_outs)}, each must be 1 or more")
        if not bool((sampling_weights > 0).all()):
            raise ValueError(
                "neighbours: a sampling weight is 0, below it, or NaN; drop such edges instead"
            )
        self._starts = adjacency.crow_indices()
        self._neighbours = adjacency.col_indices()
        self._values = adjacency.values()
        self._sampling_weights = sampling_weights
        self._fan_outs = tuple(fan_outs)
        self._generator = generator

    def sample(self, nodes: Tensor, override: EdgeOverride | None = None) -> Neighbourhood:
        """The neighbourhood of `nodes`, different positions of shape (n,).

        Args:
            nodes: the seed nodes.
            override: other weights of some edges. An edge of weight 0 is not drawn.
        """
        steps: list[Tensor] = []
        for fan_out in self._fan_outs:
            rows, neighbours, weights = self._draw(nodes, fan_out, override)
            reached = _with_new(nodes, neighbours)
            shape = (len(nodes), len(reached))
            steps.append(csr(rows, _indices_in(reached, neighbours), weights, shape))
            nodes = reached
        return Neighbourhood(nodes, tuple(reversed(steps)))

    def _draw(
        self, nodes: Tensor, fan_out: int, override: EdgeOverride | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Drawn edges of these nodes: row in `nodes`, neighbour, and weight of the edge."""
        rows, edges = self._edges_of(nodes)
        values = self._values[edges]
        if override is not None:
            values = override.of_edges(edges, nodes[rows], self._neighbours[edges], values)
        is_there = values != 0
        rows, edges, values = rows[is_there], edges[is_there], values[is_there]
        rank = _index_in_row(rows, len(nodes))
        keys = torch.empty(len(edges), dtype=torch.float64)
        keys = keys.exponential_(generator=self._generator) / self._sampling_weights[edges]
        by_key = torch.argsort(keys)
        order = by_key[torch.argsort(rows[by_key], stable=True)]  # in each row the least key first
        # The first key that was not drawn gives the inclusion probability of those before it.
        threshold = torch.full((len(nodes),), torch.inf, dtype=torch.float64)
        is_next = rank == fan_out
        threshold[rows[is_next]] = keys[order][is_next]
        kept = order[rank < fan_out].sort().values
        probability = -torch.expm1(-self._sampling_weights[edges[kept]] * threshold[rows[kept]])
        weights = (values[kept] / probability).to(values.dtype)
        return rows[kept], self._neighbours[edges[kept]], weights

    def _edges_of(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """Stored edges of these nodes: row in `nodes`, and index of the edge; row by row."""
        starts = self._starts[nodes]
        rows = torch.arange(len(nodes)).repeat_interleave(self._starts[nodes + 1] - starts)
        return rows, starts[rows] + _index_in_row(rows, len(nodes))


def uniform_sampling(adjacency: Tensor) -> Tensor:
    """Sampling weights that draw every neighbour equally often, shape (nnz,)."""
    return torch.ones(len(adjacency.values()), dtype=torch.float64)


def weighted_sampling(adjacency: Tensor) -> Tensor:
    """Sampling weights in proportion to the edges' own weights, shape (nnz,).

    An edge's weight is the adjacency's entry, normalised by the degrees of both ends: of two tracks
    that a listener played equally often the one with fewer listeners is drawn more often.

    An edge of weight 0, of listens all skipped at once, is never drawn.
    """
    return adjacency.values().double().clamp(min=torch.finfo(torch.float64).tiny)


def propagate_sampled(neighbourhood: Neighbourhood, inputs: Tensor) -> Tensor:
    """Mean of each seed node's states after 0, 1, … steps, shape (n_seeds, dim).

    `layers.propagation.propagate` computes the same for all nodes of the graph.

    Args:
        neighbourhood: of `NeighbourSampler.sample`.
        inputs: of `neighbourhood.nodes`, shape (n_inputs, dim).
    """
    n_seeds = neighbourhood.steps[-1].shape[0] if neighbourhood.steps else len(inputs)
    total, state = inputs[:n_seeds], inputs
    for step in neighbourhood.steps:
        state = step @ state
        total = total + state[:n_seeds]
    return total / (len(neighbourhood.steps) + 1)


def _index_in_row(rows: Tensor, n_rows: int) -> Tensor:
    """0, 1, 2, … along each run of equal rows, which are ascending; shape (n,)."""
    count = torch.bincount(rows, minlength=n_rows)
    return torch.arange(len(rows)) - (count.cumsum(0) - count)[rows]


def _with_new(nodes: Tensor, neighbours: Tensor) -> Tensor:
    """`nodes`, then the neighbours that are not among them, ascending."""
    found = neighbours.unique()
    return torch.cat([nodes, found[~torch.isin(found, nodes)]])


def _indices_in(nodes: Tensor, positions: Tensor) -> Tensor:
    """Index of each position in `nodes`."""
    ascending, index = nodes.sort()
    return index[torch.searchsorted(ascending, positions)]
