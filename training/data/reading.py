"""Reads the tables of a night as tensors: the Dataset that training and scoring use."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from feature_store.lake.arrow_io import read_table
from feature_store.tables.core import (
    CORE_DAILY_LISTENS,
    CORE_LISTEN_COUNTS,
    CORE_TAGS,
    CORE_TRACKS,
)
from feature_store.tables.edge_weights import organic_completion
from feature_store.tables.graph import (
    GRAPH_NODES,
    GRAPH_TRACK_BY_ARTIST,
    GRAPH_TRACK_HAS_TAG,
    GRAPH_TRACK_ON_ALBUM,
    GRAPH_USER_FOLLOWS_USER,
    GRAPH_USER_LIKED_TRACK,
    NODE_KINDS,
)
from training.data.content import FEATURES_READ, read_content
from training.data.dataset import Dataset, DatedEdges
from training.data.graph import Edges
from training.data.interactions import TORCH, Listens, counts_of, joined, listens_of
from training.data.nodes import IdList, Nodes
from training.data.tags import read_tag_vectors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from feature_store.contract import Table
    from feature_store.setting_groups import GraphSettings

TABLES_READ = (
    CORE_DAILY_LISTENS,
    CORE_LISTEN_COUNTS,
    CORE_TAGS,
    CORE_TRACKS,
    GRAPH_NODES,
    GRAPH_USER_LIKED_TRACK,
    GRAPH_USER_FOLLOWS_USER,
    GRAPH_TRACK_BY_ARTIST,
    GRAPH_TRACK_ON_ALBUM,
    GRAPH_TRACK_HAS_TAG,
    *FEATURES_READ,
)
"""What `read_dataset` reads, for the lineage of its callers."""


def read_dataset(
    lake: str, as_of: date, rules: GraphSettings, features: Mapping[str, str] | None = None
) -> Dataset:
    """Read what training needs; rows come sorted by key, so equal tables make equal tensors.

    Args:
        lake: where the tables are.
        as_of: the last day that may be known.
        rules: those under which the night's graph_ tables were written.
        features: encoder identities to read instead of the night's own, by feature table.
    """
    nodes = _read_nodes(lake, as_of)
    track = ("track_id", nodes.tracks)
    columns = ["track_id", "tag", "tagger_count"]
    tagged = read_table(lake, GRAPH_TRACK_HAS_TAG, as_of=as_of, columns=columns)
    available_from, is_available = _read_catalogue(lake, as_of, nodes.tracks)
    return Dataset(
        as_of=as_of,
        nodes=nodes,
        rules=rules,
        listens=_read_listens(lake, as_of, nodes, rules),
        follows=_read_dated(
            lake,
            GRAPH_USER_FOLLOWS_USER,
            as_of,
            source=("user_id", nodes.users),
            target=("followed_user_id", nodes.users),
            day="followed_from_date",
        ),
        liked=_read_dated(
            lake,
            GRAPH_USER_LIKED_TRACK,
            as_of,
            source=("user_id", nodes.users),
            target=track,
            day="liked_date",
        ),
        made_by=_read_edges(
            lake, GRAPH_TRACK_BY_ARTIST, as_of, track, ("artist_id", nodes.artists)
        ),
        on_album=_read_edges(lake, GRAPH_TRACK_ON_ALBUM, as_of, track, ("album_id", nodes.albums)),
        tagged=_edges(tagged, GRAPH_TRACK_HAS_TAG.name, track, ("tag", nodes.tags)),
        tagger_count=_integers(tagged, "tagger_count"),
        tag_events=_read_tag_events(lake, as_of, nodes),
        content=read_content(lake, as_of, nodes.tracks, features),
        tag_vectors=read_tag_vectors(lake, as_of, nodes.tags, features),
        available_from=available_from,
        is_available=is_available,
    )


def _read_nodes(lake: str, as_of: date) -> Nodes:
    """Ids of each kind."""
    rows = read_table(lake, GRAPH_NODES, as_of=as_of, columns=["node_kind", "node_id"])
    users, tracks, artists, tags, albums = (
        IdList.of(kind, rows.filter(pc.equal(rows["node_kind"], kind))["node_id"])
        for kind in NODE_KINDS
    )
    return Nodes(users, tracks, artists, tags, albums)


def _read_listens(lake: str, as_of: date, nodes: Nodes, rules: GraphSettings) -> Listens:
    """Daily sums and undated counts together."""
    daily = _daily_listens(lake, as_of, rules)
    columns = ["user_id", "track_id", "listen_count"]
    counts = read_table(lake, CORE_LISTEN_COUNTS, as_of=as_of, columns=columns)
    dated = listens_of(
        nodes.users.positions(daily["user_id"], CORE_DAILY_LISTENS.name),
        nodes.tracks.positions(daily["track_id"], CORE_DAILY_LISTENS.name),
        days_of(daily, "listened_date"),
        _integers(daily, "listen_count"),
        _integers(daily, "completion_permille"),
    )
    undated = counts_of(
        nodes.users.positions(counts["user_id"], CORE_LISTEN_COUNTS.name),
        nodes.tracks.positions(counts["track_id"], CORE_LISTEN_COUNTS.name),
        _integers(counts, "listen_count"),
    )
    return joined(dated, undated).before(as_of + timedelta(days=1))


def _read_catalogue(lake: str, as_of: date, tracks: IdList) -> tuple[Tensor, Tensor]:
    """When tracks became available, and which may be recommended; (n_tracks,) each, see Dataset.

    The first delivery tells when the deliveries began, not when its tracks became available.
    """
    columns = ["track_id", "known_from_date", "is_available"]
    rows = read_table(lake, CORE_TRACKS, columns=columns)
    known = rows.filter(pc.less_equal(rows["known_from_date"], as_of))
    # Rows come by track and day, and one thread keeps their order: the last one is the newest.
    each = known.group_by("track_id", use_threads=False).aggregate(
        [("known_from_date", "min"), ("is_available", "last")]
    )
    day = days_of(each, "known_from_date_min")
    positions = tracks.positions(each["track_id"], CORE_TRACKS.name)
    available_from = torch.zeros(len(tracks), dtype=torch.int64)
    available_from[positions] = torch.where(day > day.min(), day, 0) if len(day) else day
    is_available = torch.zeros(len(tracks), dtype=torch.bool)
    is_available[positions] = torch.from_numpy(each["is_available_last"].to_numpy())
    return available_from, is_available


def _daily_listens(lake: str, as_of: date, rules: GraphSettings) -> pa.Table:
    """The daily sums behind graph_user_listened_track: of all listens, or of the organic ones."""
    needed = ["user_id", "track_id", "listened_date", "listen_count", "completion_permille"]
    if rules.organic_only:
        needed.append("organic_count")
    daily = read_table(lake, CORE_DAILY_LISTENS, as_of=as_of, columns=needed)
    if not rules.organic_only:
        return daily
    organic = daily.filter(pc.greater(daily["organic_count"], 0))
    sums = ("completion_permille", "organic_count", "listen_count")
    completion = organic_completion(TORCH, *(_integers(organic, name) for name in sums))
    columns = {
        "listen_count": organic["organic_count"],
        "completion_permille": pa.array(completion.numpy()),
    }
    for name, values in columns.items():
        organic = organic.set_column(organic.schema.get_field_index(name), name, values)
    return organic


def _read_dated(
    lake: str,
    table: Table,
    as_of: date,
    *,
    source: tuple[str, IdList],
    target: tuple[str, IdList],
    day: str,
) -> DatedEdges:
    """Edges with the days on which their users made them; `source` is the user."""
    rows = read_table(lake, table, as_of=as_of, columns=[source[0], target[0], day])
    edges = _edges(rows, table.name, source, target)
    return DatedEdges(edges, edges.source, *_days_or_none(rows, day))


def _read_edges(
    lake: str, table: Table, as_of: date, source: tuple[str, IdList], target: tuple[str, IdList]
) -> Edges:
    """Edges between two id columns of a table."""
    rows = read_table(lake, table, as_of=as_of, columns=[source[0], target[0]])
    return _edges(rows, table.name, source, target)


def _read_tag_events(lake: str, as_of: date, nodes: Nodes) -> DatedEdges:
    """Tags with their users and days, for the tags that the graph has."""
    columns = ["user_id", "track_id", "tag", "tagged_date"]
    rows = read_table(lake, CORE_TAGS, as_of=as_of, columns=columns)
    tracks, tags = nodes.tracks.find(rows["track_id"]), nodes.tags.find(rows["tag"])
    # core_tags may hold tags of tracks that the catalogue lacks; these have no edge.
    is_edge = (tracks >= 0) & (tags >= 0)
    day, is_dated = _days_or_none(rows, "tagged_date")
    users = nodes.users.find(rows["user_id"])
    return DatedEdges(Edges(tracks, tags), users, day, is_dated).where(is_edge)


def _edges(
    rows: pa.Table, table: str, source: tuple[str, IdList], target: tuple[str, IdList]
) -> Edges:
    """Edges between two id columns."""
    return Edges(
        source[1].positions(rows[source[0]], table),
        target[1].positions(rows[target[0]], table),
    )


def _integers(rows: pa.Table, column: str) -> Tensor:
    """An integer column, shape (n,) int64."""
    return torch.from_numpy(rows[column].to_numpy().astype(np.int64))


def days_of(rows: pa.Table, column: str) -> Tensor:
    """A date column as days since 1970-01-01, shape (n,)."""
    return _days_or_none(rows, column)[0]


def _days_or_none(rows: pa.Table, column: str) -> tuple[Tensor, Tensor]:
    """A date column as days since 1970-01-01, and whether there is one; shape (n,)."""
    days = rows[column].cast(pa.int32()).fill_null(0).to_numpy().astype(np.int64)
    return torch.from_numpy(days), torch.from_numpy(rows[column].is_valid().to_numpy())
