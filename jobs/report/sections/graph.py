"""Graph section: nodes, edges, degree distributions, and a picture of the follow network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

import polars as pl

from feature_store.tables.graph import (
    GRAPH_NODES,
    GRAPH_TRACK_BY_ARTIST,
    GRAPH_TRACK_HAS_TAG,
    GRAPH_TRACK_ON_ALBUM,
    GRAPH_USER_FOLLOWS_USER,
    GRAPH_USER_LIKED_TRACK,
    GRAPH_USER_LISTENED_TRACK,
    NODE_KINDS,
)
from jobs.report.charts import Histogram, Network, log_histogram, network

if TYPE_CHECKING:
    from jobs.report.lake import RunView

_EDGES = (
    ("listener — listened to — track", GRAPH_USER_LISTENED_TRACK),
    ("listener — likes — track", GRAPH_USER_LIKED_TRACK),
    ("listener — follows — listener", GRAPH_USER_FOLLOWS_USER),
    ("track — by — artist", GRAPH_TRACK_BY_ARTIST),
    ("track — on — album", GRAPH_TRACK_ON_ALBUM),
    ("track — has — tag", GRAPH_TRACK_HAS_TAG),
)
_DRAWN_USERS = 72


@dataclass(frozen=True, slots=True)
class KindCount:
    """Number of nodes or edges of one kind."""

    kind: str
    rows: int


@dataclass(frozen=True, slots=True)
class Degrees:
    """Degree distribution on one side of a relation; nodes without an edge are left out."""

    name: str
    n_nodes: int
    maximum: int
    median: float
    chart: Histogram


@dataclass(frozen=True, slots=True)
class Graph:
    """Content of the graph section.

    Attributes:
        n_connected_users: users who follow or are followed.
        follow_network: the best connected of these users; None when there is no follow.
    """

    nodes: tuple[KindCount, ...]
    edges: tuple[KindCount, ...]
    degrees: tuple[Degrees, ...]
    n_connected_users: int
    follow_network: Network | None


def read_graph(view: RunView, tiers: Mapping[str, str]) -> Graph:
    """The run's graph; `tiers` holds the tier of each user, which colours the user's dot."""
    kinds = Counter(view.rows(GRAPH_NODES, ["node_kind"])["node_kind"].to_list())
    listened = view.rows(GRAPH_USER_LISTENED_TRACK, ["user_id", "track_id"])
    follows = view.rows(GRAPH_USER_FOLLOWS_USER, ["user_id", "followed_user_id"])
    degrees = (
        _degrees("Tracks per listener", listened, "user_id"),
        _degrees("Listeners per track", listened, "track_id"),
        _degrees("Follows per listener", follows, "user_id"),
    )
    pairs = _follow_pairs(follows)
    return Graph(
        nodes=tuple(KindCount(kind, kinds[kind]) for kind in NODE_KINDS),
        edges=tuple(KindCount(name, view.row_count(table)) for name, table in _EDGES),
        degrees=tuple(distribution for distribution in degrees if distribution is not None),
        n_connected_users=len({user_id for pair in pairs for user_id in pair}),
        follow_network=_follow_network(pairs, tiers),
    )


def _degrees(name: str, edges: pl.DataFrame, column: str) -> Degrees | None:
    if edges.is_empty():
        return None
    values = edges.group_by(column).len()["len"].sort().to_list()
    return Degrees(name, len(values), max(values), median(values), log_histogram(values))


def _follow_pairs(follows: pl.DataFrame) -> list[tuple[str, str]]:
    """Pairs of users with a follow in either direction, each pair once, sorted."""
    return sorted({(min(one, other), max(one, other)) for one, other in follows.rows()})


def _follow_network(pairs: list[tuple[str, str]], tiers: Mapping[str, str]) -> Network | None:
    if not pairs:
        return None
    degrees = Counter(user_id for pair in pairs for user_id in pair)
    ranked = sorted(degrees, key=lambda user_id: (-degrees[user_id], user_id))
    drawn = set(ranked[:_DRAWN_USERS])
    edges = [(one, other) for one, other in pairs if one in drawn and other in drawn]
    connected = {user_id for edge in edges for user_id in edge}
    return network(sorted(connected), edges, tiers)
