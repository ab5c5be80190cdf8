"""What was published: how the lists are made up, and those of a few listeners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds

from feature_store.tables.core import CORE_LISTEN_COUNTS, CORE_LISTENS, CORE_TRACKS
from feature_store.tables.graph import GRAPH_USER_FOLLOWS_USER, GRAPH_USER_LISTENED_TRACK
from feature_store.tables.recommendations import REC_TOPK, TIERS
from jobs.report.sections.catalogue import TrackRef

if TYPE_CHECKING:
    from jobs.report.lake import RunView

_SAMPLES = {"personal": 2, "warm": 1, "social": 1, "popular": 1}  # listeners shown of each tier
_SHOWN_ENTRIES = 8
_SHOWN_RECENT = 5


@dataclass(frozen=True, slots=True)
class Entry:
    """One place of a list."""

    rank: int
    track: TrackRef
    tier: str
    reason: str


@dataclass(frozen=True, slots=True)
class Recent:
    """A track that was listened to: when last, or how often where the source has no times."""

    track: TrackRef
    listened_at_utc: datetime | None
    listen_count: int | None


@dataclass(frozen=True, slots=True)
class Listener:
    """A sample listener; `entries` and `recent` are the first few.

    Attributes:
        tier: what most of the list rests on.
        listens: by the graph: all of them, or the source's counts.
    """

    user_id: str
    tier: str
    listens: int
    tracks_heard: int
    follows: int
    list_length: int
    entries: tuple[Entry, ...]
    recent: tuple[Recent, ...]


@dataclass(frozen=True, slots=True)
class Lists:
    """The section "Lists".

    Attributes:
        people: everybody with a list.
        by_tier: entries of all lists by tier.
        tracks: different tracks in all lists.
    """

    people: int
    entries: int
    tracks: int
    by_tier: tuple[tuple[str, int], ...]
    listeners: tuple[Listener, ...]


def lists_of(view: RunView, rows: pl.DataFrame) -> Lists:
    """From the run's rec_topk rows; listeners of every tier that has some."""
    by_tier = dict(rows.group_by("tier").len().rows())
    return Lists(
        people=rows["user_id"].n_unique(),
        entries=rows.height,
        tracks=rows["track_id"].n_unique(),
        by_tier=tuple((tier, by_tier.get(tier, 0)) for tier in TIERS),
        listeners=_listeners(view, rows),
    )


def topk_of(view: RunView) -> pl.DataFrame:
    """The run's rec_topk rows, for the lists and for the colours of the social picture."""
    return view.rows(REC_TOPK)


def tier_by_user(rows: pl.DataFrame) -> dict[str, str]:
    """The tier of most entries of each list; of equally many the more personal one."""
    counted = rows.group_by("user_id", "tier").len()
    order = pl.DataFrame({"tier": list(TIERS), "place": list(range(len(TIERS)))})
    ranked = counted.join(order, on="tier", how="left").sort(
        ["user_id", "len", "place"], descending=[False, True, False]
    )
    first = ranked.unique(subset=["user_id"], keep="first", maintain_order=True)
    return dict(first.select("user_id", "tier").rows())


def _listeners(view: RunView, rows: pl.DataFrame) -> tuple[Listener, ...]:
    listened = view.rows(GRAPH_USER_LISTENED_TRACK, ["user_id", "track_id", "listen_count"])
    heard = {
        user_id: (listens, tracks)
        for user_id, listens, tracks in listened.group_by("user_id")
        .agg(pl.col("listen_count").sum(), pl.len().alias("tracks"))
        .rows()
    }
    follows = dict(view.rows(GRAPH_USER_FOLLOWS_USER, ["user_id"]).group_by("user_id").len().rows())
    tiers = tier_by_user(rows)
    chosen = _typical(tiers, {user_id: listens for user_id, (listens, _) in heard.items()})
    recent = _recent(view, chosen)
    return tuple(
        Listener(
            user_id=user_id,
            tier=tiers[user_id],
            listens=heard.get(user_id, (0, 0))[0],
            tracks_heard=heard.get(user_id, (0, 0))[1],
            follows=follows.get(user_id, 0),
            list_length=rows.filter(pl.col("user_id") == user_id).height,
            entries=_entries(rows.filter(pl.col("user_id") == user_id)),
            recent=recent.get(user_id, ()),
        )
        for user_id in chosen
    )


def _typical(tiers: Mapping[str, str], listens: Mapping[str, int]) -> list[str]:
    """Of each tier the people in the middle by number of listens: no outliers, no chance."""
    chosen: list[str] = []
    for tier, wanted in _SAMPLES.items():
        people = sorted(
            (user_id for user_id, own in tiers.items() if own == tier),
            key=lambda user_id: (listens.get(user_id, 0), user_id),
        )
        n_shown = min(wanted, len(people))
        chosen += [people[(2 * i + 1) * len(people) // (2 * n_shown)] for i in range(n_shown)]
    return chosen


def _entries(rows: pl.DataFrame) -> tuple[Entry, ...]:
    shown = rows.sort("rank").head(_SHOWN_ENTRIES)
    return tuple(
        Entry(
            rank=row["rank"],
            track=TrackRef(row["track_id"], row["title"], row["artist_name"]),
            tier=row["tier"],
            reason=row["reason_text"],
        )
        for row in shown.iter_rows(named=True)
    )


def _recent(view: RunView, user_ids: Sequence[str]) -> dict[str, tuple[Recent, ...]]:
    """The tracks that each listened to last; the ones most listened to where there are no times."""
    asked = ds.field("user_id").isin(pa.array(user_ids, pa.string()))
    last = (
        view.rows_where(CORE_LISTENS, asked)
        .group_by("user_id", "track_id")
        .agg(pl.col("listened_at_utc").max())
        .with_columns(listen_count=pl.lit(None, dtype=pl.Int64))
        .sort(["user_id", "listened_at_utc", "track_id"], descending=[False, True, False])
    )
    counted = (
        view.rows(CORE_LISTEN_COUNTS, ["user_id", "track_id", "listen_count"])
        .filter(pl.col("user_id").is_in(list(user_ids)))
        .with_columns(listened_at_utc=pl.lit(None, dtype=last.schema["listened_at_utc"]))
        .sort(["user_id", "listen_count", "track_id"], descending=[False, True, False])
        .select(last.columns)
    )
    named = pl.concat([last, counted]).join(
        view.rows(CORE_TRACKS, ["track_id", "title", "artist_name"]),
        on="track_id",
        how="inner",
        maintain_order="left",
    )
    return {
        user_id: tuple(
            Recent(
                TrackRef(row["track_id"], row["title"], row["artist_name"]),
                row["listened_at_utc"],
                row["listen_count"],
            )
            for row in named.filter(pl.col("user_id") == user_id)
            .head(_SHOWN_RECENT)
            .iter_rows(named=True)
        )
        for user_id in user_ids
    }
