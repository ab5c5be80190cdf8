"""Everything that training may know as of a day, and the part that a split lets a model see."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import torch

from feature_store.arrow_io import read_table
from feature_store.tables.core import (
    CORE_DAILY_LISTENS,
    CORE_FOLLOWS,
    CORE_LISTEN_COUNTS,
    CORE_TAGS,
    CORE_TRACKS,
)
from feature_store.tables.graph import (
    GRAPH_NODES,
    GRAPH_TRACK_BY_ARTIST,
    GRAPH_TRACK_HAS_TAG,
    GRAPH_USER_FOLLOWS_USER,
)
from training.data.content import (
    FEATURES_READ,
    MODALITIES,
    TAGS,
    Content,
    Vectors,
    read_content,
)
from training.data.graph import Edges, SocialGraph
from training.data.interactions import (
    Listens,
    Pairs,
    counts_of,
    day_number,
    joined,
    listens_of,
)
from training.data.nodes import IdList, Nodes
from training.data.splits import Holdout
from training.data.tags import read_tag_vectors, tags_modality

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor

TABLES_READ = (
    CORE_DAILY_LISTENS,
    CORE_LISTEN_COUNTS,
    CORE_FOLLOWS,
    CORE_TAGS,
    CORE_TRACKS,
    GRAPH_NODES,
    GRAPH_USER_FOLLOWS_USER,
    GRAPH_TRACK_BY_ARTIST,
    GRAPH_TRACK_HAS_TAG,
    *FEATURES_READ,
)
"""What `read_world` reads, for the lineage of whoever calls it."""

MIN_HEARD_TRACKS = (
    5  # of a modality; HetRec beside 14 recordings that nobody played must not get an audio head
)


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What a model sees: a graph, and the tracks' content in the order of the graph's tracks."""

    graph: SocialGraph
    content: Content

    def learnable(self) -> Evidence:
        """Without the modalities of which too few tracks were heard to learn from."""
        was_heard = self.graph.listener_count() > 0
        return Evidence(
            self.graph,
            {
                name: modality
                for name, modality in self.content.items()
                if int((modality.has & was_heard).sum()) >= MIN_HEARD_TRACKS
            },
        )


@dataclass(frozen=True, slots=True, eq=False)
class DatedEdges:
    """Edges with the day on which each began, where the source says so.

    Attributes:
        user: who made the edge, position, shape (n,); -1 where nobody did (the catalogue gave the
            tag).
        day: days since 1970-01-01, shape (n,); means nothing where `is_dated` is false.
    """

    edges: Edges
    user: Tensor
    day: Tensor
    is_dated: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """The tables as tensors.

    Attributes:
        follow_starts: follows with their days, to leave out those of a held-out window.
        tag_events: tags with who gave them when, to leave out those that belong to held-out pairs.
        content: modalities that no split changes; each evidence adds the tags.
        tag_vectors: of the tags, rows in the order of the nodes.
        is_available: may be recommended, shape (n_tracks,).
    """

    as_of: date
    nodes: Nodes
    listens: Listens
    follows: Edges
    made_by: Edges
    tagged: Edges
    tagger_count: Tensor
    follow_starts: DatedEdges
    tag_events: DatedEdges
    content: Content
    tag_vectors: Vectors
    is_available: Tensor

    @property
    def n_tracks(self) -> int:
        """Tracks that the graph knows."""
        return len(self.nodes.tracks)

    def everything(self) -> Evidence:
        """All that is known as of the night."""
        listened = self.listens.pairs(self.as_of + timedelta(days=1), self.n_tracks)
        return self._evidence(listened, self.follows, self.tagged, self.tagger_count)

    def known_before(self, holdout: Holdout) -> Evidence:
        """What was known before the holdout, less everything that gives its pairs away.

        Tags that a person gave to a held-out track tell that the person knows it, so those taggers
        are not counted: neither in the graph nor in what the tracks are called.
        """
        listened = holdout.before.pairs(holdout.end, self.n_tracks)
        follows = _less(
            self.follows, self.follow_starts, self._is_late(self.follow_starts, holdout)
        )
        gives_away = self._is_late(self.tag_events, holdout) | self._belongs_to(holdout.concealed)
        hidden = self.tag_events.edges.where(gives_away)
        left = self.tagger_count - _occurrences(self.tagged, hidden)
        return self._evidence(listened, follows, self.tagged.where(left > 0), left[left > 0])

    def sha256(self) -> str:
        """Hash of all that training reads; the as_of is part of it because it ends the windows."""
        digest = hashlib.sha256(self.as_of.isoformat().encode())
        for kind in ("user", "track", "artist", "tag"):
            digest.update("\x00".join(self.nodes.of_kind(kind).ids.tolist()).encode() + b"\x01")
        listens = self.listens
        tensors = [
            listens.users, listens.tracks, listens.day, listens.is_dated, listens.listen_count,
            listens.completion_permille, self.follows.source, self.follows.target,
            self.made_by.source, self.made_by.target, self.tagged.source, self.tagged.target,
            self.tagger_count,
        ]  # fmt: skip
        for dated in (self.follow_starts, self.tag_events):
            tensors += [
                dated.edges.source,
                dated.edges.target,
                dated.user,
                dated.day,
                dated.is_dated,
            ]
        for name in MODALITIES:
            modality = self.content[name]
            digest.update(modality.encoder.encode())
            tensors += [
                modality.embedding, modality.has, modality.emotion, modality.has_emotion,
            ]  # fmt: skip
        digest.update(self.tag_vectors.encoder.encode())
        tensors += [self.tag_vectors.embedding, self.tag_vectors.has]
        for tensor in tensors:
            digest.update(tensor.contiguous().numpy().tobytes() + b"\x02")
        return digest.hexdigest()

    def _evidence(
        self, listened: Pairs, follows: Edges, tagged: Edges, taggers: Tensor
    ) -> Evidence:
        """A graph, and all modalities; `taggers` counts who gave each edge of `tagged`, (n,)."""
        graph = SocialGraph(self.nodes, listened, follows, self.made_by, tagged)
        tags = tags_modality(self.tag_vectors, tagged, taggers, self.n_tracks)
        return Evidence(graph, {**self.content, TAGS: tags})

    def _is_late(self, dated: DatedEdges, holdout: Holdout) -> Tensor:
        """Edges that began when the holdout's listens were over, shape (n,)."""
        return dated.is_dated & (dated.day >= day_number(holdout.end))

    def _belongs_to(self, pairs: Pairs) -> Tensor:
        """Tag events whose person and track are among the pairs, shape (n,)."""
        keys = self.tag_events.user * self.n_tracks + self.tag_events.edges.source
        held_out = torch.isin(keys, pairs.users * self.n_tracks + pairs.tracks)
        return held_out & (self.tag_events.user >= 0)


def read_world(lake: str, as_of: date) -> World:
    """Read what training needs; rows come sorted by key, so equal tables make equal tensors."""
    nodes = _read_nodes(lake, as_of)
    tagged = read_table(lake, GRAPH_TRACK_HAS_TAG, as_of=as_of)
    is_available = torch.zeros(len(nodes.tracks), dtype=torch.bool)
    catalogue = read_table(lake, CORE_TRACKS, as_of=as_of, columns=["track_id", "is_available"])
    offered = catalogue.filter(catalogue["is_available"])["track_id"].to_pylist()
    is_available[nodes.tracks.positions(offered, CORE_TRACKS.name)] = True
    return World(
        as_of=as_of,
        nodes=nodes,
        listens=_read_listens(lake, as_of, nodes),
        follows=_edges(
            read_table(lake, GRAPH_USER_FOLLOWS_USER, as_of=as_of),
            GRAPH_USER_FOLLOWS_USER.name,
            ("user_id", nodes.users),
            ("followed_user_id", nodes.users),
        ),
        made_by=_edges(
            read_table(lake, GRAPH_TRACK_BY_ARTIST, as_of=as_of),
            GRAPH_TRACK_BY_ARTIST.name,
            ("track_id", nodes.tracks),
            ("artist_id", nodes.artists),
        ),
        tagged=_edges(
            tagged, GRAPH_TRACK_HAS_TAG.name, ("track_id", nodes.tracks), ("tag", nodes.tags)
        ),
        tagger_count=_integers(tagged, "tagger_count"),
        follow_starts=_read_follow_starts(lake, as_of, nodes),
        tag_events=_read_tag_events(lake, as_of, nodes),
        content=read_content(lake, as_of, nodes.tracks),
        tag_vectors=read_tag_vectors(lake, nodes.tags),
        is_available=is_available,
    )


def _read_nodes(lake: str, as_of: date) -> Nodes:
    """Ids of each kind."""
    rows = read_table(lake, GRAPH_NODES, as_of=as_of, columns=["node_kind", "node_id"]).to_pylist()
    users, tracks, artists, tags = (
        IdList.of(kind, (row["node_id"] for row in rows if row["node_kind"] == kind))
        for kind in ("user", "track", "artist", "tag")
    )
    return Nodes(users, tracks, artists, tags)


def _read_listens(lake: str, as_of: date, nodes: Nodes) -> Listens:
    """Daily sums and undated counts together."""
    daily = read_table(lake, CORE_DAILY_LISTENS, as_of=as_of)
    counts = read_table(lake, CORE_LISTEN_COUNTS, as_of=as_of)
    dated = listens_of(
        nodes.users.positions(daily["user_id"].to_pylist(), CORE_DAILY_LISTENS.name),
        nodes.tracks.positions(daily["track_id"].to_pylist(), CORE_DAILY_LISTENS.name),
        _days(daily, "listened_date"),
        _integers(daily, "listen_count"),
        _integers(daily, "completion_permille"),
    )
    undated = counts_of(
        nodes.users.positions(counts["user_id"].to_pylist(), CORE_LISTEN_COUNTS.name),
        nodes.tracks.positions(counts["track_id"].to_pylist(), CORE_LISTEN_COUNTS.name),
        _integers(counts, "listen_count"),
    )
    return joined(dated, undated).before(as_of + timedelta(days=1))


def _read_follow_starts(lake: str, as_of: date, nodes: Nodes) -> DatedEdges:
    """Days on which the follows of the graph began."""
    rows = read_table(lake, CORE_FOLLOWS, as_of=as_of)
    rows = rows.filter(rows["is_active"])
    edges = _edges(
        rows, CORE_FOLLOWS.name, ("user_id", nodes.users), ("followed_user_id", nodes.users)
    )
    day, is_dated = _days_or_none(rows, "followed_from_date")
    return DatedEdges(edges, edges.source, day, is_dated)


def _read_tag_events(lake: str, as_of: date, nodes: Nodes) -> DatedEdges:
    """Who gave which tag when, for the tags that the graph has."""
    rows = read_table(lake, CORE_TAGS, as_of=as_of).to_pydict()
    # A tag waits in core_tags until its track is announced, and has no edge till then.
    tags, tracks = set(nodes.tags.ids.tolist()), set(nodes.tracks.ids.tolist())
    pairs = enumerate(zip(rows["tag"], rows["track_id"], strict=True))
    kept = [row for row, (tag, track) in pairs if tag in tags and track in tracks]
    user = torch.full((len(kept),), -1)
    people = set(nodes.users.ids.tolist())
    given = [place for place, row in enumerate(kept) if rows["user_id"][row] in people]
    user[given] = nodes.users.positions(
        (rows["user_id"][kept[place]] for place in given), CORE_TAGS.name
    )
    edges = Edges(
        nodes.tracks.positions((rows["track_id"][row] for row in kept), CORE_TAGS.name),
        nodes.tags.positions((rows["tag"][row] for row in kept), CORE_TAGS.name),
    )
    days = [rows["tagged_date"][row] for row in kept]
    return DatedEdges(
        edges,
        user,
        torch.tensor([0 if day is None else day_number(day) for day in days], dtype=torch.int64),
        torch.tensor([day is not None for day in days], dtype=torch.bool),
    )


def _edges(
    rows: pa.Table, table: str, source: tuple[str, IdList], target: tuple[str, IdList]
) -> Edges:
    """Edges between two id columns."""
    return Edges(
        source[1].positions(rows[source[0]].to_pylist(), table),
        target[1].positions(rows[target[0]].to_pylist(), table),
    )


def _less(edges: Edges, dated: DatedEdges, is_left_out: Tensor) -> Edges:
    """`edges` without those that `dated` says to leave out."""
    hidden = dated.edges.where(is_left_out)
    return edges.where(_occurrences(edges, hidden) == 0)


def _occurrences(edges: Edges, among: Edges) -> Tensor:
    """How often each edge stands in `among`, shape (n,)."""
    if not len(edges) or not len(among):
        return torch.zeros(len(edges), dtype=torch.int64)
    width = int(max(edges.target.max(), among.target.max())) + 1
    keys, count = torch.unique(among.source * width + among.target, return_counts=True)
    wanted = edges.source * width + edges.target
    place = torch.searchsorted(keys, wanted).clamp(max=len(keys) - 1)
    return torch.where(keys[place] == wanted, count[place], 0)


def _integers(rows: pa.Table, column: str) -> Tensor:
    """An integer column, shape (n,) int64."""
    return torch.tensor(rows[column].to_pylist(), dtype=torch.int64)


def _days(rows: pa.Table, column: str) -> Tensor:
    """A date column as days since 1970-01-01, shape (n,)."""
    return _days_or_none(rows, column)[0]


def _days_or_none(rows: pa.Table, column: str) -> tuple[Tensor, Tensor]:
    """A date column as days since 1970-01-01, and whether there is one; shape (n,)."""
    days = rows[column].to_pylist()
    return (
        torch.tensor([0 if day is None else day_number(day) for day in days], dtype=torch.int64),
        torch.tensor([day is not None for day in days], dtype=torch.bool),
    )
