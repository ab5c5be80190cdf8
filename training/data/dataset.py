"""Everything that training may know as of a day, and the part that a split lets a model see."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import torch

from feature_store.settings import GraphSettings
from feature_store.tables.graph import NODE_KINDS, RECENCY_HALF_LIFE_DAYS
from training.data.content import MODALITIES, TAGS, Content, Vectors
from training.data.graph import Edges, SocialGraph
from training.data.interactions import Listens, Pairs, day_number
from training.data.nodes import Nodes
from training.data.tags import tags_modality
from training.evaluation.splits import Holdout

if TYPE_CHECKING:
    from torch import Tensor

MIN_HEARD_TRACKS = (
    5  # of a modality; HetRec beside 14 recordings that nobody played must not get an audio head
)


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What a model sees: a graph, and the tracks' content in the order of the graph's tracks."""

    graph: SocialGraph
    content: Content

    def without_emotion(self) -> Evidence:
        """The same tracks, of none of which valence and arousal are known."""
        return Evidence(
            self.graph,
            {
                name: replace(
                    modality,
                    emotion=torch.zeros_like(modality.emotion),
                    has_emotion=torch.zeros_like(modality.has_emotion),
                )
                for name, modality in self.content.items()
            },
        )

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

    def where(self, mask: Tensor) -> DatedEdges:
        """The edges that `mask`, shape (n,), lets through."""
        return DatedEdges(
            self.edges.where(mask), self.user[mask], self.day[mask], self.is_dated[mask]
        )

    def began_by(self, end: date) -> Tensor:
        """Edges that began before `end`, or nobody knows when, shape (n,)."""
        return ~self.is_dated | (self.day < day_number(end))


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """The tables as tensors.

    Attributes:
        rules: which listens and tags make an edge.
        follows, liked: with their days, to leave out those of a held-out window.
        tag_events: tags with who gave them when, to leave out those that belong to held-out pairs.
        content: modalities that no split changes; each evidence adds the tags.
        tag_vectors: of the tags, rows in the order of the nodes.
        came_day: on which each track was announced first, days since 1970-01-01, shape
            (n_tracks,); 0 where nobody knows, which are all of the catalogue's first delivery.
        is_available: may be recommended, shape (n_tracks,).
    """

    as_of: date
    nodes: Nodes
    rules: GraphSettings
    listens: Listens
    follows: DatedEdges
    liked: DatedEdges
    made_by: Edges
    on_album: Edges
    tagged: Edges
    tagger_count: Tensor
    tag_events: DatedEdges
    content: Content
    tag_vectors: Vectors
    came_day: Tensor
    is_available: Tensor

    @property
    def n_tracks(self) -> int:
        """Tracks that the graph knows."""
        return len(self.nodes.tracks)

    def everything(self) -> Evidence:
        """All that is known as of the night."""
        listened = self._listened(self.listens, self.as_of + timedelta(days=1))
        graph = SocialGraph(
            nodes=self.nodes,
            listened=listened,
            follows=self.follows.edges,
            made_by=self.made_by,
            tagged=self.tagged,
            liked=self.liked.edges,
            on_album=self.on_album,
        )
        return self._evidence(graph, self.tagger_count, self.content)

    def known_before(self, holdout: Holdout) -> Evidence:
        """What was known before the holdout, less everything that gives its pairs away.

        A like or a tag that a person gave to a held-out track tells that the person knows it. So
        such likes are no edges, and such taggers are not counted: neither in the graph nor in what
        the tracks are called. Of a track that came later nothing is known, not even its artist;
        only its row is there, which learning meets as one that nobody hears.
        """
        had_come = holdout.had_come
        liked, tags = self.liked, self.tag_events
        told = liked.began_by(holdout.end) & ~self._concealed(liked.edges.target, liked, holdout)
        counts = tags.began_by(holdout.end) & ~self._concealed(tags.edges.source, tags, holdout)
        left = self.tagger_count - _occurrences(self.tagged, tags.edges.where(~counts))
        stays = (left >= self.rules.min_tagger_count) & had_come[self.tagged.source]
        graph = SocialGraph(
            nodes=self.nodes,
            listened=self._listened(holdout.before, holdout.end),
            follows=self.follows.edges.where(self.follows.began_by(holdout.end)),
            made_by=self.made_by.where(had_come[self.made_by.source]),
            tagged=self.tagged.where(stays),
            liked=liked.edges.where(told & had_come[liked.edges.target]),
            on_album=self.on_album.where(had_come[self.on_album.source]),
        )
        came_later = (~had_come).nonzero().squeeze(1)
        content = {name: one.without(came_later) for name, one in self.content.items()}
        return self._evidence(graph, left[stays], content)

    def sha256(self) -> str:
        """Hash of all that training reads; the as_of is part of it because it ends the windows."""
        digest = hashlib.sha256(self.as_of.isoformat().encode())
        digest.update(f"{self.rules.model_dump_json()} {RECENCY_HALF_LIFE_DAYS}".encode())
        for kind in NODE_KINDS:
            digest.update("\x00".join(self.nodes.of_kind(kind).ids.tolist()).encode() + b"\x01")
        listens = self.listens
        tensors = [
            listens.users, listens.tracks, listens.day, listens.is_dated, listens.listen_count,
            listens.completion_permille, self.made_by.source, self.made_by.target,
            self.on_album.source, self.on_album.target, self.tagged.source, self.tagged.target,
            self.tagger_count,
        ]  # fmt: skip
        for dated in (self.follows, self.liked, self.tag_events):
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
        tensors += [self.tag_vectors.embedding, self.tag_vectors.has, self.came_day]
        for tensor in tensors:
            digest.update(tensor.contiguous().numpy().tobytes() + b"\x02")
        return digest.hexdigest()

    def _listened(self, listens: Listens, end: date) -> Pairs:
        """The pairs that are edges on the day before `end`, as graph_user_listened_track's are."""
        recent = listens.recent(end, self.rules.listened_window_days)
        return recent.pairs(end, self.n_tracks, at_least=self.rules.min_listen_count)

    def _evidence(self, graph: SocialGraph, tagger_count: Tensor, content: Content) -> Evidence:
        """A graph, and all modalities; `tagger_count` is that of its tag edges, shape (n,)."""
        tags = tags_modality(self.tag_vectors, graph.tagged, tagger_count, self.n_tracks)
        return Evidence(graph, {**content, TAGS: tags})

    def _concealed(self, tracks: Tensor, given: DatedEdges, holdout: Holdout) -> Tensor:
        """Whether the person and the track of each edge are a pair that the holdout conceals.

        Args:
            tracks: of the edges, shape (n,).
            given: the edges; those that nobody gave belong to no pair.
            holdout: what is held out.
        """
        pairs = holdout.concealed
        keys = given.user * self.n_tracks + tracks
        held_out = torch.isin(keys, pairs.users * self.n_tracks + pairs.tracks)
        return held_out & (given.user >= 0)


def _occurrences(edges: Edges, among: Edges) -> Tensor:
    """How often each edge stands in `among`, shape (n,)."""
    if not len(edges) or not len(among):
        return torch.zeros(len(edges), dtype=torch.int64)
    width = int(max(edges.target.max(), among.target.max())) + 1
    keys, count = torch.unique(among.source * width + among.target, return_counts=True)
    wanted = edges.source * width + edges.target
    place = torch.searchsorted(keys, wanted).clamp(max=len(keys) - 1)
    return torch.where(keys[place] == wanted, count[place], 0)
