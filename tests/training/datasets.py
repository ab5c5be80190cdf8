"""Tiny datasets for training's tests, drawn here, with answers that can be seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import torch
from torch.nn import functional

from feature_store.setting_groups import GraphSettings, SplitSettings
from training.data.content import Modality, Vectors
from training.data.dataset import Dataset, DataView, DatedEdges
from training.data.graph import Edges, SocialGraph
from training.data.interactions import EPOCH, Listens, Pairs, day_number, listens_of
from training.data.nodes import IdList, Nodes
from training.evaluation.splits import Cut, night_cut

CPU = torch.device("cpu")
WITHHELD = "a6"
LISTENER = "ann"


def ids(prefix: str, n: int) -> list[str]:
    return [f"{prefix}{number}" for number in range(n)]


def nodes_of(users: Sequence[str], tracks: Sequence[str]) -> Nodes:
    return Nodes(
        IdList.of("user", users),
        IdList.of("track", tracks),
        IdList.of("artist", ["x", "y"]),
        IdList.of("tag", ["t"]),
        IdList.of("album", ["m"]),
    )


def edges(pairs: Sequence[tuple[int, int]]) -> Edges:
    source, target = torch.tensor(list(pairs), dtype=torch.int64).reshape(-1, 2).T.contiguous()
    return Edges(source, target)


def pairs_of(pairs: Sequence[tuple[int, int]]) -> Pairs:
    joined = edges(sorted(pairs))
    return Pairs(joined.source, joined.target, torch.ones(len(joined)))


def graph_with(
    nodes: Nodes,
    listened: Pairs,
    *,
    follows: Sequence[tuple[int, int]] = (),
    made_by: Sequence[tuple[int, int]] = (),
    tagged: Sequence[tuple[int, int]] = (),
    liked: Sequence[tuple[int, int]] = (),
    on_album: Sequence[tuple[int, int]] = (),
) -> SocialGraph:
    """A graph whose further edges are pairs of positions."""
    return SocialGraph(
        nodes,
        listened,
        edges(follows),
        edges(made_by),
        edges(tagged),
        edges(liked),
        edges(on_album),
    )


def two_taste_view(content: dict[str, Modality] | None = None) -> DataView:
    """12 listeners hear a0..a6 and 6 hear b0..b5; ann, of the first taste, has not heard a6.

    a6 has 11 listeners, each b track 6: of what ann has not heard, a6 is first by taste and by popularity.
    """
    first, second = [LISTENER, *ids("amy", 11)], ids("bob", 6)
    a_tracks, b_tracks = ids("a", 7), ids("b", 6)
    nodes = nodes_of(first + second, a_tracks + b_tracks)
    heard = [
        (user, track)
        for user in first
        for track in a_tracks
        if (user, track) != (LISTENER, WITHHELD)
    ]
    heard += [(user, track) for user in second for track in b_tracks]
    places = list(
        zip(
            nodes.users.positions([user for user, _ in heard], "test").tolist(),
            nodes.tracks.positions([track for _, track in heard], "test").tolist(),
            strict=True,
        )
    )
    graph = graph_with(
        nodes,
        pairs_of(places),
        follows=[(0, 1), (12, 13)],
        made_by=[(0, 0), (1, 0)],
        liked=[(2, 1), (14, 9)],
        on_album=[(2, 0), (3, 0)],
    )
    return DataView(graph, content or {})


@dataclass(frozen=True, slots=True)
class TasteWorld:
    """A view, and the one track of her taste that each asked listener has not heard.

    Attributes:
        withheld: track id by user id, in the order of the users.
    """

    view: DataView
    withheld: Mapping[str, str]


def three_taste_world() -> TasteWorld:
    """21 listeners of three tastes; two of each miss a track of their taste, each another one.

    Listeners hear the tracks of their taste and both hits that it shares with another taste. The
    hit of the two other tastes has more listeners (13 to 15) than any track of one taste (at most
    8), so popularity ranks it first for everyone and is wrong for everyone. Neighbours in the
    order of ids have different tastes. Content and follows know the taste, too.
    """
    users = dict(zip([f"u{n:02}" for n in range(21)], "abc" * 6 + "bcc", strict=True))
    of_taste = dict(zip([f"t{n:02}" for n in range(21)], "abc" * 6 + "bcc", strict=True))
    tracks = {f"hit-{tastes}": tastes for tastes in ("ab", "ac", "bc")} | of_taste
    withheld = {f"u{n:02}": f"t{n + 6:02}" for n in range(6)}
    nodes = nodes_of([*users], [*tracks])
    heard = [
        (user, track)
        for user, (name, taste) in enumerate(users.items())
        for track, (track_name, tastes) in enumerate(tracks.items())
        if taste in tastes and withheld.get(name) != track_name
    ]
    graph = graph_with(
        nodes,
        pairs_of(heard),
        follows=[(user, user + 3) for user in range(15)],  # all of one taste
        made_by=[(3, 0), (6, 0), (4, 1), (7, 1)],
        liked=[(6, 3), (7, 4)],
        on_album=[(3, 0), (6, 0)],
    )
    return TasteWorld(DataView(graph, _content_of_tastes([*tracks.values()])), withheld)


def _content_of_tastes(tastes: Sequence[str]) -> dict[str, Modality]:
    """Three modalities: noise, with one column that each taste raises; the last track has no lyrics."""
    raised = torch.tensor([[taste in of_track for taste in "abc"] for of_track in tastes])
    content = three_modalities(len(tastes), lacking_lyrics=[len(tastes) - 1])
    for one in content.values():
        one.embedding[:, :3] += 3 * raised * one.has[:, None]
    return content


@dataclass(frozen=True, slots=True)
class OrderedWorld:
    """Listens in which order decides, and the next track of each asked listener.

    Attributes:
        rows: user id, track id and time of each listen, in order of user, then time.
        next_track: track id by the user id of an asked listener, who has not heard it.
    """

    rows: tuple[tuple[str, str, datetime], ...]
    next_track: Mapping[str, str]


def ordered_world(n_blocks: int = 4) -> OrderedWorld:
    """A world where the next track always is the successor of the last one, whoever listens.

    The successor rule goes round a circle of blocks of four tracks, whose ids are out of order. In
    each block three asked listeners hear tracks 0, 1 and 2, so that 3 comes next, and two listeners
    show that 3 follows 2. But three more come to 0 and 1 from the track before: it has more common
    listeners with 0, 1 and 2 than 3 has (3 + 3 + 0 against 0 + 0 + 2), so an unordered model goes
    back instead of on. Popularity names 0 or 1 of another block: they have 6 listeners, 2 and 3
    have 5. Listens are 31 hours apart, so days give the same order as times.

    Args:
        n_blocks: at least 2.
    """
    n_tracks = 4 * n_blocks  # coprime with 2 n_blocks + 1, which scatters the ids
    walks = [(f"asked-{n}", 0, 3) for n in range(3)]
    walks += [(f"shows-{n}", 2, 2) for n in range(2)]
    walks += [(f"goes-back-{n}", -1, 3) for n in range(3)]
    rows: list[tuple[str, str, datetime]] = []
    next_track = {}
    for block in range(n_blocks):
        for name, first, n_listens in walks:
            user = f"{name}-block-{block}"
            walk = [(4 * block + first + step) % n_tracks for step in range(n_listens + 1)]
            tracks = [f"t{(2 * n_blocks + 1) * index % n_tracks:03}" for index in walk]
            rows += [
                (user, track, datetime(2026, 3, 1, 9, tzinfo=UTC) + step * timedelta(hours=31))
                for step, track in enumerate(tracks[:-1])
            ]
            if name.startswith("asked"):
                next_track[user] = tracks[-1]
    in_order = sorted(rows, key=lambda row: (row[0], row[2]))
    return OrderedWorld(tuple(in_order), dict(sorted(next_track.items())))


def with_newcomers(view: DataView) -> DataView:
    """The view of a later night: one more listener and track, without an edge, first of all ids."""
    graph, nodes = view.graph, view.graph.nodes
    users = IdList.of("user", ["a-new-listener", *nodes.users.ids.tolist()])
    tracks = IdList.of("track", ["a-new-track", *nodes.tracks.ids.tolist()])
    grown = SocialGraph(
        nodes=replace(nodes, users=users, tracks=tracks),
        listened=Pairs(graph.listened.users + 1, graph.listened.tracks + 1, graph.listened.weight),
        follows=Edges(graph.follows.source + 1, graph.follows.target + 1),
        made_by=Edges(graph.made_by.source + 1, graph.made_by.target),
        tagged=Edges(graph.tagged.source + 1, graph.tagged.target),
        liked=Edges(graph.liked.source + 1, graph.liked.target + 1),
        on_album=Edges(graph.on_album.source + 1, graph.on_album.target),
    )
    return DataView(grown, {name: _with_empty_row(one) for name, one in view.content.items()})


def _with_empty_row(one: Modality) -> Modality:
    return Modality(
        encoder=one.encoder,
        embedding=functional.pad(one.embedding, (0, 0, 1, 0)),
        has=functional.pad(one.has, (1, 0)),
        emotion=functional.pad(one.emotion, (0, 0, 1, 0)),
        has_emotion=functional.pad(one.has_emotion, (1, 0)),
    )


def modality(n_tracks: int, dim: int, seed: int, lacking: Sequence[int] = ()) -> Modality:
    """Random vectors; the tracks at `lacking` have none."""
    generator = torch.Generator().manual_seed(seed)
    has = torch.ones(n_tracks, dtype=torch.bool)
    has[list(lacking)] = False
    return Modality(
        encoder=f"encoder-{seed}",
        embedding=torch.randn(n_tracks, dim, generator=generator) * has[:, None],
        has=has,
        emotion=torch.rand(n_tracks, 2, generator=generator) * has[:, None],
        has_emotion=has.clone(),
    )


def three_modalities(n_tracks: int, lacking_lyrics: Sequence[int] = ()) -> dict[str, Modality]:
    return {
        "audio": modality(n_tracks, 5, 1),
        "lyrics": modality(n_tracks, 4, 2, lacking_lyrics),
        "cover": modality(n_tracks, 3, 3),
    }


def listens_on(rows: Sequence[tuple[int, int, date]]) -> Listens:
    """One full listen per row: user, track, day."""
    users, tracks = (
        edges([(user, track) for user, track, _ in rows]).source,
        edges([(user, track) for user, track, _ in rows]).target,
    )
    days = torch.tensor([day_number(day) for *_, day in rows], dtype=torch.int64)
    ones = torch.ones(len(rows), dtype=torch.int64)
    return listens_of(users, tracks, days, ones, 1000 * ones)


def dated_edges(rows: Sequence[tuple[int, int, date | None]]) -> DatedEdges:
    """Edges that their source made: source, target, and the day where it is known."""
    made = edges([(source, target) for source, target, _ in rows])
    days = [0 if day is None else day_number(day) for *_, day in rows]
    return DatedEdges(
        made,
        made.source,
        torch.tensor(days, dtype=torch.int64),
        torch.tensor([day is not None for *_, day in rows], dtype=torch.bool),
    )


def dataset_of(
    nodes: Nodes, listens: Listens, as_of: date, content: dict[str, Modality] | None = None
) -> Dataset:
    """A dataset with listens and content, and without any other edge."""
    nothing = edges([])
    n_tracks = len(nodes.tracks)
    return Dataset(
        as_of=as_of,
        nodes=nodes,
        rules=GraphSettings(),
        listens=listens,
        follows=dated_edges([]),
        liked=dated_edges([]),
        made_by=nothing,
        on_album=nothing,
        tagged=nothing,
        tagger_count=nothing.source,
        tag_events=dated_edges([]),
        content=content or three_modalities(n_tracks),
        tag_vectors=Vectors("", torch.zeros(len(nodes.tags), 0), torch.zeros(len(nodes.tags)) > 0),
        available_from=torch.zeros(n_tracks, dtype=torch.int64),
        is_available=torch.ones(n_tracks, dtype=torch.bool),
    )


def cut_of(listens: Listens, as_of: date, config: SplitSettings | None = None) -> Cut | None:
    """The cut of a night whose core_daily_listens are these listens."""
    days = listens.day[listens.is_dated]
    first = EPOCH + timedelta(days=int(days.min())) if len(days) else None
    return night_cut(first, as_of, config or SplitSettings())
