"""Exports a night's graph to other libraries: PyG's HeteroData and DGL's heterograph.

For `evensong export graph`; no other module imports the two libraries. Nodes have the same
positions as in `SocialGraph`, edges the same order and weight. Edges that an adjacency leaves out
(self-follows, artists of a single track) are exported too. Tracks carry their content: `audio`,
shape (n_tracks, dim), with zeros where `has_audio` is false, and the same for lyrics, cover, tags.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from feature_store.lake.delta_tables import as_of_dates
from feature_store.lake.private_files import make_private
from feature_store.tables.graph import GRAPH_NODES, NODE_KINDS
from training.data.reading import read_dataset

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from dgl import DGLHeteroGraph
    from torch import Tensor
    from torch_geometric.data import HeteroData

    from feature_store.settings import Settings
    from training.data.dataset import DataView
    from training.data.graph import SocialGraph
    from training.data.nodes import Nodes

Relation = tuple[str, str, str]
Format = Literal["pyg", "dgl"]
_DATES_SHOWN = 5
NODES_SUFFIX = ".nodes.parquet"
_NODE_IDS = pa.schema(
    [("node_kind", pa.string()), ("position", pa.int64()), ("node_id", pa.string())]
)


class NightMissing(LookupError):
    """No night of the date has run."""


@dataclass(frozen=True, slots=True)
class ExportedGraph:
    """Numbers of nodes by kind and of edges by relation, and the two files that hold them."""

    nodes: dict[str, int]
    edges: dict[str, int]
    graph_file: Path
    nodes_file: Path


def export_graph(settings: Settings, as_of: date, library: Format, file: Path) -> ExportedGraph:
    """Write the graph of a night to `file`, and the id of each node to a Parquet file beside it.

    Read them with dgl.load_graphs(str(file)), or with torch.load(file, weights_only=False), which
    runs code of the file: only of files that you wrote. The ids have the columns node_kind,
    position, node_id and name people: only the files' owner may read them.

    Raises:
        NightMissing: no night of this date has run.
        ModuleNotFoundError: the library is not installed.
        NotAFile: `file` is a folder or a device, or its folder does not exist.
    """
    _check_night(settings.lake, as_of)
    view = read_dataset(settings.lake, as_of, settings.graph).full_view()
    exported = to_pyg(view) if library == "pyg" else to_dgl(view)
    make_private(file)
    nodes_file = file.with_name(file.name + NODES_SUFFIX)
    make_private(nodes_file)
    if library == "pyg":
        torch.save(exported, file)
    else:
        import dgl

        dgl.save_graphs(str(file), [exported])
    pq.write_table(_node_ids(view.graph.nodes), nodes_file)
    return ExportedGraph(
        nodes=_node_counts(view.graph),
        edges={
            " ".join(relation): len(source)
            for relation, (source, _, _) in _relations(view.graph).items()
        },
        graph_file=file,
        nodes_file=nodes_file,
    )


def to_pyg(view: DataView) -> HeteroData:
    """All kinds of nodes; `edge_index`, shape (2, n), and `edge_weight`, shape (n,), by relation.

    Raises:
        ModuleNotFoundError: torch-geometric is not installed (extra train).
    """
    with warnings.catch_warnings():
        # PyG scripts modules with a function that torch calls deprecated: nothing for its user.
        warnings.simplefilter("ignore", FutureWarning)
        from torch_geometric.data import HeteroData

    exported = HeteroData()
    for kind, count in _node_counts(view.graph).items():
        exported[kind].num_nodes = count
    for name, values in _track_features(view).items():
        exported["track"][name] = values
    for relation, (source, target, weight) in _relations(view.graph).items():
        exported[relation].edge_index = torch.stack([source, target])
        exported[relation].edge_weight = weight
    return exported


def to_dgl(view: DataView) -> DGLHeteroGraph:
    """The same node types, features and relations; edge data `weight`, shape (n,).

    Raises:
        ModuleNotFoundError: dgl is not installed (extra dgl).
    """
    # Without it DGL asks for a backend by writing a file into the home folder.
    os.environ.setdefault("DGLBACKEND", "pytorch")
    import dgl

    relations = _relations(view.graph)
    exported = dgl.heterograph(
        {relation: (source, target) for relation, (source, target, _) in relations.items()},
        num_nodes_dict=_node_counts(view.graph),
    )
    for name, values in _track_features(view).items():
        exported.nodes["track"].data[name] = values
    for relation, (_, _, weight) in relations.items():
        exported.edges[relation].data["weight"] = weight
    return exported


def _check_night(lake: str, as_of: date) -> None:
    dates = sorted(as_of_dates(lake, GRAPH_NODES))
    if as_of not in dates:
        there = ", ".join(str(day) for day in dates[-_DATES_SHOWN:]) or "none"
        raise NightMissing(
            f"graph_nodes: no night of {as_of} has run; newest that have: {there}; pass one as "
            f"--as-of, or run evensong night --as-of {as_of}"
        )


def _track_features(view: DataView) -> dict[str, Tensor]:
    """Vectors of each modality, zeros where a track has none, and which tracks have them."""
    features = {}
    for name, modality in view.content.items():
        features[name] = torch.where(modality.has.unsqueeze(1), modality.embedding, 0.0)
        features[f"has_{name}"] = modality.has
    return features


def _node_ids(nodes: Nodes) -> pa.Table:
    """Rows (node_kind, position, node_id), in the order of the positions."""
    kinds = (nodes.users, nodes.tracks, nodes.artists, nodes.tags, nodes.albums)
    rows = [
        {"node_kind": kind, "position": position, "node_id": str(node_id)}
        for kind, ids in zip(NODE_KINDS, kinds, strict=True)
        for position, node_id in enumerate(ids.ids)
    ]
    return pa.Table.from_pylist(rows, schema=_NODE_IDS)


def _node_counts(graph: SocialGraph) -> dict[str, int]:
    return dict(zip(NODE_KINDS, graph.sizes, strict=True))


def _relations(graph: SocialGraph) -> dict[Relation, tuple[Tensor, Tensor, Tensor]]:
    """Sources, targets and weights, all of shape (n,); only listens differ in weight."""
    listened = graph.listened
    unweighted = {
        ("user", "follows", "user"): graph.follows,
        ("track", "made_by", "artist"): graph.made_by,
        ("track", "has_tag", "tag"): graph.tagged,
        ("user", "likes", "track"): graph.liked,
        ("track", "on_album", "album"): graph.on_album,
    }
    heard = {("user", "listened", "track"): (listened.users, listened.tracks, listened.weight)}
    return heard | {
        relation: (edges.source, edges.target, torch.ones(len(edges)))
        for relation, edges in unweighted.items()
    }
