"""The graph of users, tracks, artists, tags and albums, and its adjacency as a sparse matrix."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from training.data.interactions import Pairs
from training.data.nodes import Nodes


@dataclass(frozen=True, slots=True, eq=False)
class Edges:
    """Edges from positions of one kind of node to positions of another, all of shape (n,)."""

    source: Tensor
    target: Tensor

    def __len__(self) -> int:
        """Number of edges."""
        return len(self.source)

    def where(self, mask: Tensor) -> Edges:
        """The edges that `mask`, shape (n,), lets through."""
        return Edges(self.source[mask], self.target[mask])


@dataclass(frozen=True, slots=True, eq=False)
class SocialGraph:
    """All nodes, and the edges that a view of the dataset may know.

    Attributes:
        listened: user to track.
        follows: user to user.
        made_by: track to artist.
        tagged: track to tag.
        liked: user to track.
        on_album: track to album.
    """

    nodes: Nodes
    listened: Pairs
    follows: Edges
    made_by: Edges
    tagged: Edges
    liked: Edges
    on_album: Edges

    @property
    def n_nodes(self) -> int:
        """Nodes of all kinds."""
        return sum(self.sizes)

    @property
    def sizes(self) -> tuple[int, int, int, int, int]:
        """Numbers of users, tracks, artists, tags and albums: the order of an adjacency's rows."""
        nodes = self.nodes
        return (
            len(nodes.users),
            len(nodes.tracks),
            len(nodes.artists),
            len(nodes.tags),
            len(nodes.albums),
        )

    def listener_count(self) -> Tensor:
        """Distinct listeners of each track, shape (n_tracks,) float32."""
        return torch.bincount(self.listened.tracks, minlength=len(self.nodes.tracks)).float()

    def ties(self) -> Edges:
        """Follow ties between two users, each tie in both directions and once."""
        apart = self.follows.where(self.follows.source != self.follows.target)
        ends = torch.stack([apart.source, apart.target])
        both_ways = torch.cat([ends, ends.flip(0)], dim=1).unique(dim=1)
        return Edges(both_ways[0], both_ways[1])

    def listen_matrix(self) -> Tensor:
        """1 where a listener heard a track, sparse CSR of shape (n_users, n_tracks)."""
        shape = (len(self.nodes.users), len(self.nodes.tracks))
        ones = torch.ones(len(self.listened))
        return csr(self.listened.users, self.listened.tracks, ones, shape)


@dataclass(frozen=True, slots=True)
class RelationWeights:
    """Weight of an edge of each kind, relative to the other kinds."""

    listened: float
    follows: float
    made_by: float
    tagged: float
    liked: float
    on_album: float
    listened_power: (
        float  # an edge's listening weight is raised to it; 0 gives every pair the same weight
    )


def adjacency(graph: SocialGraph, weights: RelationWeights, has_track: Tensor) -> Tensor:
    """Symmetric normalised adjacency D^-1/2 A D^-1/2, sparse CSR of shape (n_nodes, n_nodes).

    Rows are users, tracks, artists, tags, albums. A track outside `has_track`, shape (n_tracks,),
    keeps its row and has no edge. Artists, tags and albums that touch a single track connect
    nothing and lose their edge too. Edges of a pair add up: a track heard and liked is nearer.
    """
    users, tracks, artists, tags, albums = _first_rows(graph)
    listened = graph.listened.where(has_track[graph.listened.tracks])
    heard = Edges(listened.users, listened.tracks)
    apart = graph.follows.where(graph.follows.source != graph.follows.target)
    liked = graph.liked.where(has_track[graph.liked.target])
    by_artist, tagged, on_album = (
        _connecting(edges.where(has_track[edges.source]))
        for edges in (graph.made_by, graph.tagged, graph.on_album)
    )
    relations = (
        (heard, users, tracks, weights.listened * listened.weight.pow(weights.listened_power)),
        (apart, users, users, _constant(apart, weights.follows)),
        (by_artist, tracks, artists, _constant(by_artist, weights.made_by)),
        (tagged, tracks, tags, _constant(tagged, weights.tagged)),
        (liked, users, tracks, _constant(liked, weights.liked)),
        (on_album, tracks, albums, _constant(on_album, weights.on_album)),
    )
    source = torch.cat([first + edges.source for edges, first, _, _ in relations])
    target = torch.cat([first + edges.target for edges, _, first, _ in relations])
    weight = torch.cat([weight for *_, weight in relations])
    return _normalised(source, target, weight, graph.n_nodes)


def csr(rows: Tensor, columns: Tensor, values: Tensor, shape: tuple[int, int]) -> Tensor:
    """Sparse CSR matrix; values at the same row and column are added."""
    with warnings.catch_warnings():
        # torch calls its CSR layout beta at every first use; what we need of it is tested here.
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support")
        return (
            torch.sparse_coo_tensor(
                torch.stack([rows, columns]), values, shape, check_invariants=False
            )
            .coalesce()
            .to_sparse_csr()
        )


def _first_rows(graph: SocialGraph) -> list[int]:
    """The adjacency's first row of each kind of node."""
    return [0, *accumulate(graph.sizes[:-1])]


def _constant(edges: Edges, weight: float) -> Tensor:
    """One weight for all of them, shape (n,)."""
    return torch.full((len(edges),), weight)


def _connecting(edges: Edges) -> Edges:
    """Edges whose target is reached by at least two."""
    if not len(edges):
        return edges
    return edges.where(torch.bincount(edges.target)[edges.target] > 1)


def _normalised(source: Tensor, target: Tensor, weight: Tensor, n_nodes: int) -> Tensor:
    """Both directions of every edge, each divided by the square roots of its ends' weights."""
    rows, columns = torch.cat([source, target]), torch.cat([target, source])
    both = torch.cat([weight, weight])
    degree = torch.zeros(n_nodes).index_add(0, rows, both)
    scale = torch.where(degree > 0, degree, 1).rsqrt()
    return csr(rows, columns, both * scale[rows] * scale[columns], (n_nodes, n_nodes))
