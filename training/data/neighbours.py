"""Neighbours drawn from a graph, so that a training step need not go through the whole of it.

A step towards some nodes needs their neighbours' states, the step before it the neighbours'
neighbours'. Each node draws at most so many, without replacement; edges that were drawn count for
those that were not, so that on average a step gives what the whole graph gives. Nodes with no more
neighbours than are drawn have all of them, with the weights of the whole graph.

Sampling without replacement: Efraimidis and Spirakis 2006 (exponential keys). What an edge counts
when it was drawn: Cohen and Kaplan 2007, rank conditioning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from training.data.graph import csr


@dataclass(frozen=True, slots=True, eq=False)
class Neighbourhood:
    """What some nodes are computed from.

    Attributes:
        nodes: positions in the graph of the nodes whose inputs are needed, shape (n_inputs,); the
            nodes that were asked for come first, in the order asked.
        steps: sparse CSR matrices, the first to be applied first: each leads from the states of the
            first so many of `nodes` to those of fewer, its rows; edges are relabelled to places in
            `nodes`.
    """

    nodes: Tensor
    steps: tuple[Tensor, ...]

    def to(self, device: torch.device) -> Neighbourhood:
        """The same on another device."""
        return Neighbourhood(self.nodes.to(device), tuple(step.to(device) for step in self.steps))


@dataclass(frozen=True, slots=True, eq=False)
class Otherwise:
    """What the stored edges of some nodes carry for once, in place of an adjacency's entries.

    Attributes:
        nodes: whose edges, shape (n_nodes,) bool; one end is enough.
        values: of every stored edge, shape (nnz,); looked at for theirs alone.
    """

    nodes: Tensor
    values: Tensor

    def put_into(self, adjacency: Tensor) -> Tensor:
        """The adjacency as it is then, sparse CSR, with the same stored edges."""
        starts, ends = adjacency.crow_indices(), adjacency.col_indices()
        at_source = self.nodes.repeat_interleave(starts.diff(), output_size=len(ends))
        values = torch.where(at_source | self.nodes[ends], self.values, adjacency.values())
        return torch.sparse_csr_tensor(
            starts, ends, values, adjacency.shape, check_invariants=False
        )

    def of_edges(self, edges: Tensor, rows: Tensor, ends: Tensor, usual: Tensor) -> Tensor:
        """What some stored edges carry, shape (n,): by place, both ends, and usual value."""
        return torch.where(self.nodes[rows] | self.nodes[ends], self.values[edges], usual)


class NeighbourSampler:
    """Draws neighbourhoods from an adjacency."""

    def __init__(
        self,
        adjacency: Tensor,
        chances: Tensor,
        fan_outs: Sequence[int],
        generator: torch.Generator,
    ) -> None:
        """Look at the graph.

        Args:
            adjacency: sparse CSR on the CPU, shape (n_nodes, n_nodes): row i holds i's neighbours.
                Edges outside it can never come, so it is made from the evidence of a split alone.
            chances: how likely each stored edge is drawn beside others of its row, shape (nnz,),
                above 0: `alike` or `by_weight`.
            fan_outs: neighbours drawn per node at most, for each step, the last step first: the one
                that ends at the nodes asked for.
            generator: on the CPU; the same state draws the same neighbours.

        Raises:
            ValueError: a fan-out below 1, or a chance that is not above 0.
        """
        if min(fan_outs, default=1) < 1:
            raise ValueError(f"neighbours: fan-outs {tuple(fan_outs)}, each must be 1 or more")
        if not bool((chances > 0).all()):
            raise ValueError("neighbours: a chance is 0, below it, or NaN; drop such edges instead")
        self._starts = adjacency.crow_indices()
        self._neighbours = adjacency.col_indices()
        self._values = adjacency.values()
        self._chances = chances
        self._fan_outs = tuple(fan_outs)
        self._generator = generator

    def around(self, nodes: Tensor, otherwise: Otherwise | None = None) -> Neighbourhood:
        """What `nodes`, different positions of shape (n,), are computed from.

        Args:
            nodes: whose neighbourhood.
            otherwise: which edges carry something else this time. One that carries 0 is not drawn.
        """
        steps: list[Tensor] = []
        for fan_out in self._fan_outs:
            rows, neighbours, counts = self._drawn(nodes, fan_out, otherwise)
            reached = _with_new(nodes, neighbours)
            shape = (len(nodes), len(reached))
            steps.append(csr(rows, _places(reached, neighbours), counts, shape))
            nodes = reached
        return Neighbourhood(nodes, tuple(reversed(steps)))

    def _drawn(
        self, nodes: Tensor, fan_out: int, otherwise: Otherwise | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Drawn edges of these nodes: place in `nodes`, neighbour, and what the edge counts."""
        rows, edges = self._edges_of(nodes)
        values = self._values[edges]
        if otherwise is not None:
            values = otherwise.of_edges(edges, nodes[rows], self._neighbours[edges], values)
        is_there = values != 0
        rows, edges, values = rows[is_there], edges[is_there], values[is_there]
        rank = _place_in_row(rows, len(nodes))
        keys = torch.empty(len(edges), dtype=torch.float64)
        keys = keys.exponential_(generator=self._generator) / self._chances[edges]
        by_key = torch.argsort(keys)
        order = by_key[torch.argsort(rows[by_key], stable=True)]  # in each row the least key first
        # The first key that was not drawn tells how likely those before it were.
        threshold = torch.full((len(nodes),), torch.inf, dtype=torch.float64)
        is_next = rank == fan_out
        threshold[rows[is_next]] = keys[order][is_next]
        kept = order[rank < fan_out].sort().values
        likely = -torch.expm1(-self._chances[edges[kept]] * threshold[rows[kept]])
        counts = (values[kept] / likely).to(values.dtype)
        return rows[kept], self._neighbours[edges[kept]], counts

    def _edges_of(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """Stored edges of these nodes: place in `nodes`, and place among all; row by row."""
        starts = self._starts[nodes]
        rows = torch.arange(len(nodes)).repeat_interleave(self._starts[nodes + 1] - starts)
        return rows, starts[rows] + _place_in_row(rows, len(nodes))


def alike(adjacency: Tensor) -> Tensor:
    """Chances by which each neighbour is drawn as often as another, shape (nnz,)."""
    return torch.ones(len(adjacency.values()), dtype=torch.float64)


def by_weight(adjacency: Tensor) -> Tensor:
    """Chances by which a neighbour is drawn the more often, the more its edge carries, (nnz,).

    What it carries is the adjacency's entry, normalised by the degrees of both ends: of two tracks
    that a person played alike the one with fewer listeners comes more often.

    An edge of weight 0, of listens all skipped at once, is never drawn, whatever its chance.
    """
    return adjacency.values().double().clamp(min=torch.finfo(torch.float64).tiny)


def propagate_sampled(neighbourhood: Neighbourhood, inputs: Tensor) -> Tensor:
    """Mean of each asked node's states after 0, 1, … steps, shape (n_asked, dim).

    As `layers.propagation.propagate`, which does it for all nodes of the graph at once.

    Args:
        neighbourhood: of `NeighbourSampler.around`.
        inputs: of `neighbourhood.nodes`, shape (n_inputs, dim).
    """
    n_asked = neighbourhood.steps[-1].shape[0] if neighbourhood.steps else len(inputs)
    total, state = inputs[:n_asked], inputs
    for step in neighbourhood.steps:
        state = step @ state
        total = total + state[:n_asked]
    return total / (len(neighbourhood.steps) + 1)


def _place_in_row(rows: Tensor, n_rows: int) -> Tensor:
    """0, 1, 2, … along each run of equal rows, which are ascending; shape (n,)."""
    count = torch.bincount(rows, minlength=n_rows)
    return torch.arange(len(rows)) - (count.cumsum(0) - count)[rows]


def _with_new(nodes: Tensor, neighbours: Tensor) -> Tensor:
    """`nodes`, then the neighbours that are not among them, ascending."""
    found = neighbours.unique()
    return torch.cat([nodes, found[~torch.isin(found, nodes)]])


def _places(nodes: Tensor, wanted: Tensor) -> Tensor:
    """Where each wanted position stands in `nodes`."""
    ascending, place = nodes.sort()
    return place[torch.searchsorted(ascending, wanted)]
