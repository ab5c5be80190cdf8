"""Other libraries see the graph that we propagate over."""

from __future__ import annotations

import stat
from datetime import date

import pyarrow.parquet as pq
import pytest
import torch

from feature_store.lake.arrow_io import read_table
from feature_store.tables.core import CORE_TRACKS
from feature_store.tables.features import FEAT_AUDIO
from tests.training import lake as sample
from tests.training.datasets import graph_with, nodes_of, pairs_of
from training.data.dataset import DataView
from training.data.graph import RelationWeights, SocialGraph, adjacency
from training.data.graph_export import NightMissing, export_graph, to_dgl, to_pyg
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
def view(graph) -> DataView:
    """The graph without content."""
    return DataView(graph, {})


@pytest.fixture
def inputs(graph) -> torch.Tensor:
    """In the order of rows: listeners, tracks, artists, tags, albums."""
    return torch.randn(graph.n_nodes, 5, generator=torch.Generator().manual_seed(4))


@pytest.fixture
def ours(graph, inputs) -> torch.Tensor:
    """One step alone: twice the mean of the inputs and their step, less the inputs."""
    every_track = torch.ones(4, dtype=torch.bool)
    return 2 * propagate(adjacency(graph, WEIGHTED, every_track), inputs, n_layers=1) - inputs


def test_pyg_s_light_convolution_takes_the_step_that_we_take(view, inputs, ours):
    """LGConv over the homogeneous view, both directions of each edge, agrees to 1e-6."""
    from torch_geometric.nn import LGConv

    exported = to_pyg(view).to_homogeneous()
    there_and_back = torch.cat([exported.edge_index, exported.edge_index.flip(0)], dim=1)
    weight = torch.cat([exported.edge_weight, exported.edge_weight])
    theirs = LGConv()(inputs, there_and_back, weight)

    assert torch.allclose(theirs, ours, atol=TOLERANCE, rtol=0)


def test_dgl_s_graph_convolution_takes_the_step_that_we_take(graph, view, inputs, ours):
    """GraphConv without weights, on DGL's own symmetric norm, both directions: agrees to 1e-6."""
    exported = to_dgl(view)
    import dgl  # as the export sets it up

    rows = dict(zip(KINDS, torch.arange(graph.n_nodes).split(graph.sizes), strict=True))
    order = torch.cat([rows[kind] for kind in exported.ntypes])  # DGL sorts the kinds by name
    homogeneous = dgl.to_homogeneous(exported, edata=["weight"])
    there_and_back = dgl.add_reverse_edges(homogeneous, copy_edata=True)
    weight = dgl.nn.EdgeWeightNorm("both")(there_and_back, there_and_back.edata["weight"])
    step = dgl.nn.GraphConv(5, 5, "none", weight=False, bias=False, allow_zero_in_degree=True)

    theirs = step(there_and_back, inputs[order], edge_weight=weight)

    assert torch.allclose(theirs, ours[order], atol=TOLERANCE, rtol=0)


def test_exports_keep_what_an_adjacency_leaves_out(view):
    """Node counts hold listeners without an edge; weights stand with their edges."""
    exported = to_pyg(view)

    assert {kind: exported[kind].num_nodes for kind in exported.node_types} == {
        "user": 3, "track": 4, "artist": 2, "tag": 1, "album": 1,
    }  # fmt: skip
    listened = exported["user", "listened", "track"]
    assert listened.edge_index.tolist() == [[0, 0, 1, 1], [0, 1, 1, 2]]
    assert listened.edge_weight.tolist() == [0.5, 2.0, 1.0, 3.0]
    assert exported["user", "follows", "user"].edge_index.tolist() == [[0, 1], [1, 0]]
    assert exported["user", "likes", "track"].edge_index.tolist() == [[0, 2], [1, 3]]
    assert exported["track", "on_album", "album"].edge_index.tolist() == [[1, 3], [0, 0]]


def test_a_date_without_a_night_names_those_that_have_one(night, tmp_path):
    sample.fill(night.settings.lake, night.as_of)

    with pytest.raises(NightMissing, match=rf"no night of 2020-01-01 .* have: {night.as_of};"):
        export_graph(night.settings, date(2020, 1, 1), "pyg", tmp_path / "graph.bin")
    assert not (tmp_path / "graph.bin").exists()


@pytest.mark.parametrize("library", ["pyg", "dgl"])
def test_the_graph_of_a_night_is_read_back_with_content_and_ids(library, night, tmp_path):
    """Tracks have the vectors of the lake, at the positions that the file of ids names."""
    sample.fill(night.settings.lake, night.as_of)

    written = export_graph(night.settings, night.as_of, library, tmp_path / "graph.bin")

    if library == "pyg":
        graph = torch.load(written.graph_file, weights_only=False)
        counts, features = {kind: graph[kind].num_nodes for kind in KINDS}, graph["track"]
        n_listened = graph["user", "listened", "track"].num_edges
    else:
        import dgl

        [graph], _ = dgl.load_graphs(str(written.graph_file))
        counts, features = (
            {kind: graph.num_nodes(kind) for kind in KINDS},
            graph.nodes["track"].data,
        )
        n_listened = graph.num_edges("listened")
    assert counts == written.nodes == {"user": 14, "track": 16, "artist": 1, "tag": 0, "album": 1}
    assert n_listened == written.edges["user listened track"] > 14
    ids = pq.read_table(written.nodes_file).to_pylist()
    tracks = [row["node_id"] for row in ids if row["node_kind"] == "track"]
    assert tracks == sample.TRACKS
    assert [row["position"] for row in ids if row["node_kind"] == "track"] == list(range(16))
    stored = {
        row["content_hash"]: row["audio_embedding"]
        for row in read_table(night.settings.lake, FEAT_AUDIO).to_pylist()
    }
    hashes = {
        row["track_id"]: row["audio_hash"]
        for row in read_table(night.settings.lake, CORE_TRACKS, as_of=night.as_of).to_pylist()
    }
    for position, track in enumerate(tracks):
        assert features["audio"][position].tolist() == stored[hashes[track]]
    assert bool(features["has_audio"].all())
    for file in (written.graph_file, written.nodes_file):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
