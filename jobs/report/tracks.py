"""Tracks as the page names them: id, title and artist."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from feature_store.tables.core import CORE_TRACKS

if TYPE_CHECKING:
    from jobs.report.lake import RunView


@dataclass(frozen=True, slots=True)
class TrackRef:
    """Id, title and artist of a track."""

    track_id: str
    title: str
    artist_name: str


def read_track_refs(view: RunView) -> dict[str, TrackRef]:
    """Every track of core_tracks by its id."""
    rows = view.rows(CORE_TRACKS, ["track_id", "title", "artist_name"]).rows()
    return {row[0]: TrackRef(*row) for row in rows}
