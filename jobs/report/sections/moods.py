"""Moods section: tracks on the plane of valence and arousal, and a listener's list of each cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds

from feature_store.mood_plane import CELLS_PER_SIDE, mood_words
from feature_store.tables.core import CORE_TRACKS
from feature_store.tables.features import FEAT_TRACK_MOOD
from feature_store.tables.recommendations import REC_MOOD
from jobs.report.charts import Dot, scatter
from jobs.report.tracks import TrackRef

if TYPE_CHECKING:
    from jobs.report.lake import RunView

PLANE_SIDE = 300.0

_SHOWN_ENTRIES = 5
_MAX_DOTS = 500
_OPENED = (3, 3)  # happy and lively; the first list of the plane where that cell has none


@dataclass(frozen=True, slots=True)
class MoodEntry:
    """One entry of the list of a cell."""

    rank: int
    track: TrackRef
    reason: str


@dataclass(frozen=True, slots=True)
class MoodCell:
    """A cell of the plane.

    Attributes:
        n_tracks: available tracks that lie in it.
        list_length: length of the sample listener's list; `entries` holds its first few.
    """

    valence_cell: int
    arousal_cell: int
    words: str
    n_tracks: int
    list_length: int
    entries: tuple[MoodEntry, ...]


@dataclass(frozen=True, slots=True)
class Moods:
    """Content of the moods section.

    Attributes:
        n_tracks: available tracks with a position; `dots` holds at most `_MAX_DOTS` of them.
        cells: from the top left of the plane: the most excited first, of these the saddest.
        n_entries: entries of all listeners' lists.
        user_id: the listener whose lists are shown; None when no sample listener has any.
        opened: the cell whose list is shown first.
    """

    n_tracks: int
    dots: tuple[Dot, ...]
    cells: tuple[MoodCell, ...]
    n_entries: int
    user_id: str | None
    opened: MoodCell | None

    @property
    def fullest(self) -> int:
        """Tracks of the fullest cell."""
        return max((cell.n_tracks for cell in self.cells), default=0)


def read_moods(view: RunView, sample_users: Sequence[str]) -> Moods:
    """The plane, and the lists of the first sample listener who has lists for moods."""
    tracks = view.rows(CORE_TRACKS, ["track_id", "title", "artist_name", "is_available"])
    placed = (
        view.rows(FEAT_TRACK_MOOD)
        .join(tracks.filter("is_available"), on="track_id", how="inner")
        .sort("track_id")
    )
    user_id, rows = _sample_lists(view, sample_users)
    cells = _cells(placed, rows)
    with_list = [cell for cell in cells if cell.entries]
    preferred = [cell for cell in with_list if (cell.valence_cell, cell.arousal_cell) == _OPENED]
    return Moods(
        n_tracks=placed.height,
        dots=_dots(placed),
        cells=cells if placed.height else (),
        n_entries=view.row_count(REC_MOOD),
        user_id=user_id,
        opened=next(iter([*preferred, *with_list]), None),
    )


def _sample_lists(view: RunView, sample_users: Sequence[str]) -> tuple[str | None, pl.DataFrame]:
    """The listener and the lists; only rows of sample listeners are read."""
    named = pa.array(sample_users, pa.string())  # a list of nobody has no type to compare with
    rows = view.rows_where(REC_MOOD, ds.field("user_id").isin(named))
    with_lists = set(rows["user_id"])
    user_id = next((user_id for user_id in sample_users if user_id in with_lists), None)
    return user_id, rows.filter(pl.col("user_id").eq_missing(user_id))


def _cells(placed: pl.DataFrame, rows: pl.DataFrame) -> tuple[MoodCell, ...]:
    counts = {
        (valence, arousal): n_tracks
        for valence, arousal, n_tracks in placed.group_by("valence_cell", "arousal_cell")
        .len()
        .rows()
    }
    in_order = [
        (valence, arousal)
        for arousal in reversed(range(CELLS_PER_SIDE))
        for valence in range(CELLS_PER_SIDE)
    ]
    cells = []
    for cell in in_order:
        valence, arousal = cell
        of_cell = rows.filter(valence_cell=valence, arousal_cell=arousal)
        words, n_tracks = mood_words(*cell), counts.get(cell, 0)
        cells.append(MoodCell(*cell, words, n_tracks, of_cell.height, _entries(of_cell)))
    return tuple(cells)


def _entries(rows: pl.DataFrame) -> tuple[MoodEntry, ...]:
    return tuple(
        MoodEntry(
            rank=row["rank"],
            track=TrackRef(row["track_id"], row["title"], row["artist_name"]),
            reason=row["reason_text"],
        )
        for row in rows.sort("rank").head(_SHOWN_ENTRIES).iter_rows(named=True)
    )


def _dots(placed: pl.DataFrame) -> tuple[Dot, ...]:
    n_shown = min(placed.height, _MAX_DOTS)
    shown = placed[[index * placed.height // n_shown for index in range(n_shown)]]
    columns = ("valence_position", "arousal_position", "title", "artist_name")
    points = [
        (2 * valence - 1, 2 * arousal - 1, f"{title} · {artist}")
        for valence, arousal, title, artist in shown.select(columns).rows()
    ]
    return scatter(points, PLANE_SIDE)
