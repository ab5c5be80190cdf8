"""Changes section: which tracks entered and left lists since the compared run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import polars as pl

from feature_store.tables.recommendations import CHANGES, REC_CHANGES
from jobs.report.tracks import TrackRef, read_track_refs

if TYPE_CHECKING:
    from jobs.report.lake import RunView

_SHOWN_TRACKS = 6


@dataclass(frozen=True, slots=True)
class TrackChange:
    """How many lists a track entered and left."""

    track: TrackRef
    entered: int
    left: int

    @property
    def net(self) -> int:
        """Lists entered minus lists left."""
        return self.entered - self.left


@dataclass(frozen=True, slots=True)
class Changes:
    """Content of the changes section.

    Attributes:
        counts: (change, rows) for entered, left and moved.
        n_users: users whose list changed.
        gained: tracks with the largest positive net change.
        lost: tracks with the largest negative net change.
    """

    compared_as_of: date
    compared_run_id: str
    counts: tuple[tuple[str, int], ...]
    n_users: int
    gained: tuple[TrackChange, ...]
    lost: tuple[TrackChange, ...]


def read_changes(view: RunView) -> Changes | None:
    """None on a first night, or when no list changed."""
    rows = view.rows(REC_CHANGES)
    if rows.is_empty():
        return None
    counts = dict(rows.group_by("change").len().rows())
    changes = _track_changes(view, rows)
    return Changes(
        compared_as_of=rows["compared_as_of_date"][0],
        compared_run_id=rows["compared_run_id"][0],
        counts=tuple((change, counts.get(change, 0)) for change in CHANGES),
        n_users=rows["user_id"].n_unique(),
        gained=tuple(change for change in changes[:_SHOWN_TRACKS] if change.net > 0),
        lost=tuple(change for change in changes[::-1][:_SHOWN_TRACKS] if change.net < 0),
    )


def _track_changes(view: RunView, rows: pl.DataFrame) -> list[TrackChange]:
    """Every track that entered or left a list, largest net gain first."""
    refs = read_track_refs(view)
    counted = rows.group_by("track_id").agg(
        entered=(pl.col("change") == "entered").sum(), left=(pl.col("change") == "left").sum()
    )
    changes = [
        TrackChange(refs[track_id], entered, left)
        for track_id, entered, left in counted.rows()
        if track_id in refs
    ]
    return sorted(changes, key=lambda change: (-change.net, change.track.track_id))
