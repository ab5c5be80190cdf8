"""Exports the graph to other libraries: PyG's HeteroData and DGL's heterograph.

Both libraries are optional, and no other module imports them; they serve models that need them.
Nodes have the same positions as in `SocialGraph`, edges the same order and weight. Edges that an
adjacency leaves out (self-follows, artists of a single track) are exported too.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import torch

from feature_store.tables.graph import NODE_KINDS

if TYPE_CHECKING:
    from dgl import DGLHeteroGraph
    from torch import Tensor
    from torch_geometric.data import HeteroData

    from training.data.graph import SocialGraph

Relation = tuple[str, str, str]


def to_pyg(graph: SocialGraph) -> HeteroData:
    """All kinds of nodes; `edge_index`, shape (2, n), and `edge_weight`, shape (n,), by relation.

    Raises:
        ImportError: torch-geometric is not installed (group dev).
    """
    from torch_geometric.data import HeteroData

    view = HeteroData()
    for kind, count in _node_counts(graph).items():
        view[kind].num_nodes = count
    for relation, (source, target, weight) in _relations(graph).items():
        view[relation].edge_index = torch.stack([source, target])
        view[relation].edge_weight = weight
    return view


def to_dgl(graph: SocialGraph) -> DGLHeteroGraph:
    """The same node types and relations; edge data `weight`, shape (n,).

    Raises:
        ImportError: dgl is not installed (group dgl).
    """
    # Without it DGL asks for a backend by writing a file into the home folder.
    os.environ.setdefault("DGLBACKEND", "pytorch")
    import dgl

    relations = _relations(graph)
    view = dgl.heterograph(
        {relation: (source, target) for relation, (source, target, _) in relations.items()},
        num_nodes_dict=_node_counts(graph),
    )
    for relation, (_, _, weight) in relations.items():
        view.edges[relation].data["weight"] = weight
    return view


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
