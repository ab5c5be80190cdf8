"""The dataset of a night as tensors, and the views of it that a model may see."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import torch

from feature_store.setting_groups import GraphSettings
from feature_store.tables.graph import NODE_KINDS, RECENCY_HALF_LIFE_DAYS
from training.data.content import MODALITIES, TAGS, Content, Vectors
from training.data.graph import Edges, SocialGraph
from training.data.interactions import Listens, Pairs, day_number
from training.data.nodes import Nodes
from training.data.tags import tags_modality
from training.evaluation.splits import Holdout

if TYPE_CHECKING:
    from torch import Tensor

MIN_LISTENED_TRACKS = (
    5  # of a modality; HetRec with 14 recordings without a listen must not get an audio head
)


@dataclass(frozen=True, slots=True, eq=False)
class DataView:
    """What a model sees: a graph, and the tracks' content in the order of the graph's tracks."""

    graph: SocialGraph
    content: Content

    def with_learnable_modalities(self) -> DataView:
        """The same view without the modalities of which too few tracks were heard."""
        has_listens = self.graph.listener_count() > 0
        return DataView(
            self.graph,
            {
                name: modality
                for name, modality in self.content.items()
                if int((modality.has & has_listens).sum()) >= MIN_LISTENED_TRACKS
            },
        )


@dataclass(frozen=True, slots=True, eq=False)
class DatedEdges:
    """Edges with the day on which each began, where the source says so.

    Attributes:
        user: position of the user who made the edge, shape (n,); -1 for a tag of the catalogue.
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

    def began_before(self, end: date) -> Tensor:
        """Edges that began before `end`, or on an unknown day, shape (n,) bool."""
        return ~self.is_dated | (self.day < day_number(end))


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """The tables as tensors.

    Attributes:
        rules: which listens and tags make an edge.
        follows, liked: with their days, to leave out those of a held-out window.
        tag_events: tags with their user and day, to leave out those that belong to held-out pairs.
        content: modalities that no split changes; each view adds the tags.
        tag_vectors: of the tags, rows in the order of the nodes.
        available_from: the day on which the catalogue first had each track, days since 1970-01-01,
            shape (n_tracks,); 0 where it is unknown, as for the catalogue's first delivery.
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
    available_from: Tensor
    is_available: Tensor

    @property
    def n_tracks(self) -> int:
        """Tracks that the graph knows."""
        return len(self.nodes.tracks)

    def full_view(self) -> DataView:
        """Everything that is known as of the night."""
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
        return self._view(graph, self.tagger_count, self.content)

    def train_view(self, holdout: Holdout) -> DataView:
        """What was known before the holdout, without anything that leaks its pairs.

        A listener who liked or tagged a held-out track knows it. So such likes are no edges, and
        such taggers are not counted, neither in the graph nor in the tag vectors of tracks. Of a
        track that became available later nothing is known, not even its artist; only its row
        exists, as an unheard track in training.
        """
        available_mask = holdout.available_mask
        liked = self.liked
        known = liked.began_before(holdout.end) & ~self._is_hidden(
            liked.edges.target, liked, holdout
        )
        tagged, tagger_count = self.tags_before(holdout)
        graph = SocialGraph(
            nodes=self.nodes,
            listened=self._listened(holdout.before, holdout.end),
            follows=self.follows.edges.where(self.follows.began_before(holdout.end)),
            made_by=self.made_by.where(available_mask[self.made_by.source]),
            tagged=tagged,
            liked=liked.edges.where(known & available_mask[liked.edges.target]),
            on_album=self.on_album.where(available_mask[self.on_album.source]),
        )
        unavailable = (~available_mask).nonzero().squeeze(1)
        content = {name: one.without(unavailable) for name, one in self.content.items()}
        return self._view(graph, tagger_count, content)

    def tags_before(self, holdout: Holdout) -> tuple[Edges, Tensor]:
        """Tags of tracks that were known before the holdout, and how many gave each, shape (n,).

        A listener who tagged a held-out track knows it, and does not count.
        """
        tags = self.tag_events
        counts = tags.began_before(holdout.end) & ~self._is_hidden(tags.edges.source, tags, holdout)
        left = self.tagger_count - _occurrences(self.tagged, tags.edges.where(~counts))
        is_available = holdout.available_mask[self.tagged.source]
        stays = (left >= self.rules.min_tagger_count) & is_available
        return self.tagged.where(stays), left[stays]

    def sha256(self) -> str:
        """Hash of all that training reads; equal data of another day have the same hash.

        Only where the day itself changes what is learned it is part of it: with a window, out of
        which listens fall, and where listens grow old beside counts that do not.
        """
        digest = hashlib.sha256(f"{self.rules.model_dump_json()} {RECENCY_HALF_LIFE_DAYS}".encode())
        listens = self.listens
        is_mixed = bool(listens.is_dated.any()) and not bool(listens.is_dated.all())
        if is_mixed or self.rules.listened_window_days is not None:
            digest.update(self.as_of.isoformat().encode())
        for kind in NODE_KINDS:
            digest.update("\x00".join(self.nodes.of_kind(kind).ids.tolist()).encode() + b"\x01")
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
        tensors += [self.tag_vectors.embedding, self.tag_vectors.has, self.available_from]
        for tensor in tensors:
            digest.update(tensor.contiguous().numpy().tobytes() + b"\x02")
        return digest.hexdigest()

    def _listened(self, listens: Listens, end: date) -> Pairs:
        """The pairs that are edges on the day before `end`, as graph_user_listened_track's are."""
        recent = listens.recent(end, self.rules.listened_window_days)
        return recent.pairs(end, self.n_tracks, at_least=self.rules.min_listen_count)

    def _view(self, graph: SocialGraph, tagger_count: Tensor, content: Content) -> DataView:
        """A graph, and all modalities; `tagger_count` is that of its tag edges, shape (n,)."""
        tags = tags_modality(self.tag_vectors, graph.tagged, tagger_count, self.n_tracks)
        return DataView(graph, {**content, TAGS: tags})

    def _is_hidden(self, tracks: Tensor, edges: DatedEdges, holdout: Holdout) -> Tensor:
        """Whether the listener and the track of each edge are a pair that the holdout hides.

        Args:
            tracks: of the edges, shape (n,).
            edges: with their users; those without a user belong to no pair.
            holdout: what is held out.
        """
        pairs = holdout.hidden_pairs
        keys = edges.user * self.n_tracks + tracks
        held_out = torch.isin(keys, pairs.users * self.n_tracks + pairs.tracks)
        return held_out & (edges.user >= 0)


def _occurrences(edges: Edges, among: Edges) -> Tensor:
    """How often each edge stands in `among`, shape (n,)."""
    if not len(edges) or not len(among):
        return torch.zeros(len(edges), dtype=torch.int64)
    width = int(max(edges.target.max(), among.target.max())) + 1
    keys, count = torch.unique(among.source * width + among.target, return_counts=True)
    edge_keys = edges.source * width + edges.target
    index = torch.searchsorted(keys, edge_keys).clamp(max=len(keys) - 1)
    return torch.where(keys[index] == edge_keys, count[index], 0)
