"""Similar tracks for a few tracks, and what changed in the lists since the run before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import polars as pl

from feature_store.tables.core import CORE_TRACKS
from feature_store.tables.graph import GRAPH_USER_LISTENED_TRACK
from feature_store.tables.recommendations import CHANGES, REC_CHANGES, REC_SIMILAR_TRACKS
from jobs.report.sections.catalogue import TrackRef

if TYPE_CHECKING:
    from jobs.report.lake import RunView

_SHOWN_NEIGHBOURS = 5
_SHOWN_MOVES = 6


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One similar track and what both were compared by."""

    rank: int
    track: TrackRef
    score: float
    modalities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """A track, how many people listened to it, and the tracks most like it."""

    track: TrackRef
    listeners: int
    neighbours: tuple[Neighbour, ...]


@dataclass(frozen=True, slots=True)
class Similar:
    """The section "Similar tracks"; `tracks` is how many have neighbours at all."""

    tracks: int
    shown: tuple[Neighbourhood, ...]


@dataclass(frozen=True, slots=True)
class Move:
    """A track that came into or went out of lists; `net` is entered minus left."""

    track: TrackRef
    entered: int
    left: int

    @property
    def net(self) -> int:
        """Lists gained; negative when more were lost."""
        return self.entered - self.left


@dataclass(frozen=True, slots=True)
class Changes:
    """The section "What changed".

    Attributes:
        counts: rows by change: entered, left, moved.
        people: lists in which something changed.
    """

    compared_as_of: date
    compared_run_id: str
    counts: tuple[tuple[str, int], ...]
    people: int
    gained: tuple[Move, ...]
    lost: tuple[Move, ...]


def similar_of(view: RunView) -> Similar:
    """Neighbours of the track most people know, one in the middle, and one nobody has heard."""
    rows = view.rows(REC_SIMILAR_TRACKS)
    if rows.is_empty():
        return Similar(0, ())
    listeners = dict(
        view.rows(GRAPH_USER_LISTENED_TRACK, ["track_id"]).group_by("track_id").len().rows()
    )
    track_ids = rows["track_id"].unique(maintain_order=True).to_list()
    named = _named(view)
    shown = [
        Neighbourhood(
            named[track_id],
            listeners.get(track_id, 0),
            _neighbours(rows.filter(pl.col("track_id") == track_id)),
        )
        for track_id in _telling(track_ids, listeners)
        if track_id in named
    ]
    return Similar(len(track_ids), tuple(shown))


def changes_of(view: RunView) -> Changes | None:
    """None when nothing was compared: a first night, or no list changed."""
    rows = view.rows(REC_CHANGES)
    if rows.is_empty():
        return None
    counts = dict(rows.group_by("change").len().rows())
    moves = _moves(view, rows)
    return Changes(
        compared_as_of=rows["compared_as_of_date"][0],
        compared_run_id=rows["compared_run_id"][0],
        counts=tuple((change, counts.get(change, 0)) for change in CHANGES),
        people=rows["user_id"].n_unique(),
        gained=tuple(move for move in moves[:_SHOWN_MOVES] if move.net > 0),
        lost=tuple(move for move in moves[::-1][:_SHOWN_MOVES] if move.net < 0),
    )


def _telling(track_ids: list[str], listeners: dict[str, int]) -> list[str]:
    ranked = sorted(track_ids, key=lambda track_id: (-listeners.get(track_id, 0), track_id))
    heard = [track_id for track_id in ranked if track_id in listeners]
    unheard = [track_id for track_id in ranked if track_id not in listeners]
    chosen = [*heard[:1], *heard[len(heard) // 2 :][:1], *unheard[:1]]
    return list(dict.fromkeys(chosen))


def _neighbours(rows: pl.DataFrame) -> tuple[Neighbour, ...]:
    return tuple(
        Neighbour(
            rank=row["rank"],
            track=TrackRef(row["similar_track_id"], row["title"], row["artist_name"]),
            score=row["score"],
            modalities=tuple(row["modalities"]),
        )
        for row in rows.sort("rank").head(_SHOWN_NEIGHBOURS).iter_rows(named=True)
    )


def _moves(view: RunView, rows: pl.DataFrame) -> list[Move]:
    """Every track that entered or left a list, the largest gain first."""
    named = _named(view)
    counted = rows.group_by("track_id").agg(
        entered=(pl.col("change") == "entered").sum(), left=(pl.col("change") == "left").sum()
    )
    moves = [
        Move(named[track_id], entered, left)
        for track_id, entered, left in counted.rows()
        if track_id in named
    ]
    return sorted(moves, key=lambda move: (-move.net, move.track.track_id))


def _named(view: RunView) -> dict[str, TrackRef]:
    rows = view.rows(CORE_TRACKS, ["track_id", "title", "artist_name"]).rows()
    return {row[0]: TrackRef(*row) for row in rows}
