"""Other libraries see the graph that we propagate over."""

from __future__ import annotations

import pytest
import torch

from tests.training.datasets import graph_with, nodes_of, pairs_of
from training.data.graph import RelationWeights, SocialGraph, adjacency
from training.data.graph_export import to_dgl, to_pyg
from training.data.interactions import Pairs
from training.layers.propagation import propagate

TOLERANCE = 1e-6
KINDS = ("user", "track", "artist", "tag", "album")
WEIGHTED = RelationWeights(
    listened=1, follows=1, made_by=1, tagged=1, liked=1, on_album=1, listened_power=1
)


@pytest.fixture
def graph() -> SocialGraph:
    """3 listeners, 4 tracks, 2 artists with two tracks each, a tag and an album on two; t3 unheard.

    u2 only likes; u0 likes what she hears.
    """
    heard = pairs_of([(0, 0), (0, 1), (1, 1), (1, 2)])
    return graph_with(
        nodes_of(["u0", "u1", "u2"], ["t0", "t1", "t2", "t3"]),
        Pairs(heard.users, heard.tracks, torch.tensor([0.5, 2.0, 1.0, 3.0])),
        follows=[(0, 1), (1, 0)],
        made_by=[(0, 0), (1, 0), (2, 1), (3, 1)],
        tagged=[(0, 0), (2, 0)],
        liked=[(0, 1), (2, 3)],
        on_album=[(1, 0), (3, 0)],
    )


@pytest.fixture
def inputs(graph) -> torch.Tensor:
    """In the order of rows: listeners, tracks, artists, tags, albums."""
    return torch.randn(graph.n_nodes, 5, generator=torch.Generator().manual_seed(4))


@pytest.fixture
def ours(graph, inputs) -> torch.Tensor:
    """One step alone: twice the mean of the inputs and their step, less the inputs."""
    every_track = torch.ones(4, dtype=torch.bool)
    return 2 * propagate(adjacency(graph, WEIGHTED, every_track), inputs, n_layers=1) - inputs


def test_pyg_s_light_convolution_takes_the_step_that_we_take(graph, inputs, ours):
    """LGConv over the homogeneous view, both directions of each edge, agrees to 1e-6."""
    from torch_geometric.nn import LGConv

    view = to_pyg(graph).to_homogeneous()
    there_and_back = torch.cat([view.edge_index, view.edge_index.flip(0)], dim=1)
    theirs = LGConv()(inputs, there_and_back, torch.cat([view.edge_weight, view.edge_weight]))

    assert torch.allclose(theirs, ours, atol=TOLERANCE, rtol=0)


def test_dgl_s_graph_convolution_takes_the_step_that_we_take(graph, inputs, ours):
    """GraphConv without weights, on DGL's own symmetric norm, both directions: agrees to 1e-6."""
    dgl = pytest.importorskip("dgl", reason="optional; install it by: uv sync --group dgl")
    view = to_dgl(graph)
    rows = dict(zip(KINDS, torch.arange(graph.n_nodes).split(graph.sizes), strict=True))
    order = torch.cat([rows[kind] for kind in view.ntypes])  # DGL sorts the kinds by name
    homogeneous = dgl.to_homogeneous(view, edata=["weight"])
    there_and_back = dgl.add_reverse_edges(homogeneous, copy_edata=True)
    weight = dgl.nn.EdgeWeightNorm("both")(there_and_back, there_and_back.edata["weight"])
    step = dgl.nn.GraphConv(5, 5, "none", weight=False, bias=False, allow_zero_in_degree=True)

    theirs = step(there_and_back, inputs[order], edge_weight=weight)

    assert torch.allclose(theirs, ours[order], atol=TOLERANCE, rtol=0)


def test_views_keep_what_an_adjacency_leaves_out(graph):
    """Node counts hold listeners without an edge; weights stand with their edges."""
    view = to_pyg(graph)

    assert {kind: view[kind].num_nodes for kind in view.node_types} == {
        "user": 3, "track": 4, "artist": 2, "tag": 1, "album": 1,
    }  # fmt: skip
    listened = view["user", "listened", "track"]
    assert listened.edge_index.tolist() == [[0, 0, 1, 1], [0, 1, 1, 2]]
    assert listened.edge_weight.tolist() == [0.5, 2.0, 1.0, 3.0]
    assert view["user", "follows", "user"].edge_index.tolist() == [[0, 1], [1, 0]]
    assert view["user", "likes", "track"].edge_index.tolist() == [[0, 2], [1, 3]]
    assert view["track", "on_album", "album"].edge_index.tolist() == [[1, 3], [0, 0]]
