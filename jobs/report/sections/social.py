"""The graph: what it holds, how its degrees spread, and a small picture of who follows whom."""

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
_PICTURED_PEOPLE = 72


@dataclass(frozen=True, slots=True)
class Count:
    """So many of a kind."""

    kind: str
    rows: int


@dataclass(frozen=True, slots=True)
class Degrees:
    """How many neighbours the nodes of one side of a relation have."""

    name: str
    nodes: int
    most: int
    median: float
    chart: Histogram


@dataclass(frozen=True, slots=True)
class Graph:
    """The section "The graph".

    Attributes:
        people: everybody with a follow, of whom `picture` shows the most connected.
        picture: None when nobody follows anybody.
    """

    nodes: tuple[Count, ...]
    edges: tuple[Count, ...]
    degrees: tuple[Degrees, ...]
    people: int
    picture: Network | None


def graph_of(view: RunView, tiers: Mapping[str, str]) -> Graph:
    """The run's graph; `tiers` says by user which tier colours the person's dot."""
    kinds = Counter(view.rows(GRAPH_NODES, ["node_kind"])["node_kind"].to_list())
    listened = view.rows(GRAPH_USER_LISTENED_TRACK, ["user_id", "track_id"])
    follows = view.rows(GRAPH_USER_FOLLOWS_USER, ["user_id", "followed_user_id"])
    degrees = (
        _degrees("Tracks per listener", listened, "user_id"),
        _degrees("Listeners per track", listened, "track_id"),
        _degrees("People followed per person", follows, "user_id"),
    )
    ties = _ties(follows)
    return Graph(
        nodes=tuple(Count(kind, kinds[kind]) for kind in NODE_KINDS),
        edges=tuple(Count(name, view.row_count(table)) for name, table in _EDGES),
        degrees=tuple(found for found in degrees if found is not None),
        people=len({person for tie in ties for person in tie}),
        picture=_picture(ties, tiers),
    )


def _degrees(name: str, edges: pl.DataFrame, column: str) -> Degrees | None:
    if edges.is_empty():
        return None
    values = edges.group_by(column).len()["len"].sort().to_list()
    return Degrees(name, len(values), max(values), median(values), log_histogram(values))


def _ties(follows: pl.DataFrame) -> list[tuple[str, str]]:
    """Pairs of people of whom at least one follows the other, each pair once, in order."""
    return sorted({(min(one, other), max(one, other)) for one, other in follows.rows()})


def _picture(ties: list[tuple[str, str]], tiers: Mapping[str, str]) -> Network | None:
    if not ties:
        return None
    degrees = Counter(person for tie in ties for person in tie)
    ranked = sorted(degrees, key=lambda person: (-degrees[person], person))
    drawn = set(ranked[:_PICTURED_PEOPLE])
    edges = [(one, other) for one, other in ties if one in drawn and other in drawn]
    connected = {person for edge in edges for person in edge}
    return network(sorted(connected), edges, tiers)
