"""Lists section: rec_topk by tier, and the lists of a few sample listeners."""

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
from jobs.report.tracks import TrackRef

if TYPE_CHECKING:
    from jobs.report.lake import RunView

_SAMPLE_SIZES = {"personal": 2, "warm": 1, "social": 1, "popular": 1}  # users shown of each tier
_SHOWN_ENTRIES = 8
_SHOWN_RECENT = 5


@dataclass(frozen=True, slots=True)
class ListEntry:
    """One entry of a recommendation list."""

    rank: int
    track: TrackRef
    tier: str
    reason: str


@dataclass(frozen=True, slots=True)
class RecentTrack:
    """A track with its last listen, or with a listen count where the source has no times."""

    track: TrackRef
    listened_at_utc: datetime | None
    listen_count: int | None


@dataclass(frozen=True, slots=True)
class SampleUser:
    """A sample listener with the first few `entries` and `recent` tracks.

    Attributes:
        tier: tier of most entries of the list.
        n_listens: listens or listen counts in the graph's edges.
    """

    user_id: str
    tier: str
    n_listens: int
    n_listened_tracks: int
    n_follows: int
    list_length: int
    entries: tuple[ListEntry, ...]
    recent: tuple[RecentTrack, ...]


@dataclass(frozen=True, slots=True)
class Lists:
    """Content of the lists section.

    Attributes:
        n_users: users with a list.
        by_tier: (tier, entries) over all lists.
        n_tracks: distinct tracks over all lists.
    """

    n_users: int
    n_entries: int
    n_tracks: int
    by_tier: tuple[tuple[str, int], ...]
    sample_users: tuple[SampleUser, ...]


def read_lists(view: RunView, topk: pl.DataFrame) -> Lists:
    """Counts over the run's rec_topk rows, and sample users of every tier that has users."""
    by_tier = dict(topk.group_by("tier").len().rows())
    return Lists(
        n_users=topk["user_id"].n_unique(),
        n_entries=topk.height,
        n_tracks=topk["track_id"].n_unique(),
        by_tier=tuple((tier, by_tier.get(tier, 0)) for tier in TIERS),
        sample_users=_sample_users(view, topk),
    )


def read_topk(view: RunView) -> pl.DataFrame:
    """The run's rec_topk rows, which the lists and the follow network share."""
    return view.rows(REC_TOPK)


def main_tier_by_user(topk: pl.DataFrame) -> dict[str, str]:
    """Tier of most entries of each list; a tie goes to the tier that comes first in `TIERS`."""
    counted = topk.group_by("user_id", "tier").len()
    order = pl.DataFrame({"tier": list(TIERS), "tier_order": list(range(len(TIERS)))})
    ranked = counted.join(order, on="tier", how="left").sort(
        ["user_id", "len", "tier_order"], descending=[False, True, False]
    )
    first = ranked.unique(subset=["user_id"], keep="first", maintain_order=True)
    return dict(first.select("user_id", "tier").rows())


def _sample_users(view: RunView, topk: pl.DataFrame) -> tuple[SampleUser, ...]:
    edges = view.rows(GRAPH_USER_LISTENED_TRACK, ["user_id", "track_id", "listen_count"])
    totals = {
        user_id: (n_listens, n_tracks)
        for user_id, n_listens, n_tracks in edges.group_by("user_id")
        .agg(pl.col("listen_count").sum(), pl.len().alias("tracks"))
        .rows()
    }
    follows = dict(view.rows(GRAPH_USER_FOLLOWS_USER, ["user_id"]).group_by("user_id").len().rows())
    tiers = main_tier_by_user(topk)
    user_ids = _median_users(tiers, {user_id: listens for user_id, (listens, _) in totals.items()})
    recent = _recent_tracks(view, user_ids)
    return tuple(
        SampleUser(
            user_id=user_id,
            tier=tiers[user_id],
            n_listens=totals.get(user_id, (0, 0))[0],
            n_listened_tracks=totals.get(user_id, (0, 0))[1],
            n_follows=follows.get(user_id, 0),
            list_length=topk.filter(pl.col("user_id") == user_id).height,
            entries=_entries(topk.filter(pl.col("user_id") == user_id)),
            recent=recent.get(user_id, ()),
        )
        for user_id in user_ids
    )


def _median_users(tiers: Mapping[str, str], listens: Mapping[str, int]) -> list[str]:
    """Users from the middle of each tier by number of listens: no outliers, no random choice."""
    chosen: list[str] = []
    for tier, sample_size in _SAMPLE_SIZES.items():
        user_ids = sorted(
            (user_id for user_id, main_tier in tiers.items() if main_tier == tier),
            key=lambda user_id: (listens.get(user_id, 0), user_id),
        )
        n_shown = min(sample_size, len(user_ids))
        chosen += [user_ids[(2 * i + 1) * len(user_ids) // (2 * n_shown)] for i in range(n_shown)]
    return chosen


def _entries(rows: pl.DataFrame) -> tuple[ListEntry, ...]:
    shown = rows.sort("rank").head(_SHOWN_ENTRIES)
    return tuple(
        ListEntry(
            rank=row["rank"],
            track=TrackRef(row["track_id"], row["title"], row["artist_name"]),
            tier=row["tier"],
            reason=row["reason_text"],
        )
        for row in shown.iter_rows(named=True)
    )


def _recent_tracks(view: RunView, user_ids: Sequence[str]) -> dict[str, tuple[RecentTrack, ...]]:
    """Tracks of each user by last listen, then the most listened of a source without times."""
    is_sample_user = ds.field("user_id").isin(pa.array(user_ids, pa.string()))
    last = (
        view.rows_where(CORE_LISTENS, is_sample_user)
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
    with_titles = pl.concat([last, counted]).join(
        view.rows(CORE_TRACKS, ["track_id", "title", "artist_name"]),
        on="track_id",
        how="inner",
        maintain_order="left",
    )
    return {
        user_id: tuple(
            RecentTrack(
                TrackRef(row["track_id"], row["title"], row["artist_name"]),
                row["listened_at_utc"],
                row["listen_count"],
            )
            for row in with_titles.filter(pl.col("user_id") == user_id)
            .head(_SHOWN_RECENT)
            .iter_rows(named=True)
        )
        for user_id in user_ids
    }
