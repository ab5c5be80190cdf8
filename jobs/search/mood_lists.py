"""What is listed for a mood: the listener's published list of its cell, or the nearest tracks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from feature_store.contract import Table
from feature_store.lake.delta_tables import as_of_dates
from feature_store.mood_plane import MoodPlane, mood_words
from feature_store.tables.features import FEAT_MOOD_PLANE, FEAT_TRACK_MOOD
from feature_store.tables.recommendations import REC_MOOD
from jobs.report.tracks import TrackRef
from jobs.search.catalogue import open_catalogue
from jobs.search.listeners import Listener, why_no_lists_at_all

if TYPE_CHECKING:
    from feature_store.settings import Night
    from jobs.search.catalogue import Catalogue
    from jobs.search.mood_position import MoodPosition

_SAME_FOR_ALL = "the tracks nearest to this position, the same for everybody"
_DISTANCE_DECIMALS = 6  # of what orders tracks: equally near ones come by id
_MAX_DAYS = 5  # days that a message names


class NoMoodPlaneError(LookupError):
    """No track of the night lies on the plane of moods."""


@dataclass(frozen=True, slots=True)
class MoodEntry:
    """A track of a list.

    Attributes:
        rank: 1 is the best.
        valence_position, arousal_position: of the track, in [0, 1]; None when the night has none.
        reason: why it is listed.
    """

    rank: int
    track: TrackRef
    valence_position: float | None
    arousal_position: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class MoodList:
    """What is listed, and what a reader must know of it.

    Attributes:
        origin: which rows these are.
        notes: may be empty.
        entries: best first; none for a listener who wants no recommendations.
    """

    origin: str
    notes: tuple[str, ...]
    entries: tuple[MoodEntry, ...]


@dataclass(frozen=True, slots=True)
class MoodLists:
    """The plane of a night, and the available tracks on it.

    Attributes:
        task: name of the training task that makes lists for moods.
        placed: of each available track with a mood its columns of core_tracks and feat_track_mood.
    """

    catalogue: Catalogue
    plane: MoodPlane
    task: str
    placed: pl.DataFrame

    def list_for(
        self, position: MoodPosition, listener: Listener | None, n_tracks: int
    ) -> MoodList:
        """What to play for a mood.

        Args:
            position: where the mood lies.
            listener: who asks; None for a list that is the same for everybody.
            n_tracks: how many at most.
        """
        if listener is None:
            without = why_no_lists_at_all(self.catalogue.view, self.task) or "without --user"
            return self._nearest(position, f"{without}; {_SAME_FOR_ALL}", frozenset(), n_tracks)
        if listener.is_opted_out:
            refused = f"{listener.user_id} wants no recommendations (core_users.is_opted_out)"
            return MoodList("none", (f"{refused}, so nothing is listed",), ())
        if listener.why_no_lists:
            return self._for_want_of_a_list(listener.why_no_lists, position, listener, n_tracks)
        valence_cell, arousal_cell = position.cell
        rows = listener.lists.filter(valence_cell=valence_cell, arousal_cell=arousal_cell)
        if rows.is_empty():
            none = (
                f"{REC_MOOD.name} has lists of {listener.user_id} for other moods, and none for "
                "this one: its candidates are hidden, heard lately or withdrawn"
            )
            return self._for_want_of_a_list(none, position, listener, n_tracks)
        version = rows["model_version"][0]
        cell = f"cell {valence_cell} of valence and {arousal_cell} of arousal"
        origin = f"{REC_MOOD.name} of {listener.user_id}, {cell}, by mood {version}"
        return MoodList(origin, (), self._published(rows, n_tracks))

    def _published(self, rows: pl.DataFrame, n_tracks: int) -> tuple[MoodEntry, ...]:
        positions = self.placed.select("track_id", "valence_position", "arousal_position")
        listed = rows.sort("rank").head(n_tracks).join(positions, on="track_id", how="left")
        return tuple(
            _entry(row, row["rank"], row["reason_text"])
            for row in listed.sort("rank").iter_rows(named=True)
        )

    def _for_want_of_a_list(
        self, why: str, position: MoodPosition, listener: Listener, n_tracks: int
    ) -> MoodList:
        note = f"{why}; {_SAME_FOR_ALL}"
        if n_hidden := len(listener.hidden.intersection(self.placed["track_id"])):
            note += f" but for {n_hidden} that {listener.user_id} has hidden"
        return self._nearest(position, note, listener.hidden, n_tracks)

    def _nearest(
        self, position: MoodPosition, note: str, hidden: frozenset[str], n_tracks: int
    ) -> MoodList:
        """Available tracks by their distance on the plane, few by an artist as in every list."""
        max_per_artist = self.catalogue.view.night.settings.lists.max_per_artist
        across = pl.col("valence_position") - position.valence.position
        along = pl.col("arousal_position") - position.arousal.position
        distance = (across**2 + along**2).sqrt().round(_DISTANCE_DECIMALS)
        nearest = (
            self.placed.filter(~pl.col("track_id").is_in(list(hidden)))
            .with_columns(distance=distance)
            .sort("distance", "track_id")
            .filter(pl.int_range(pl.len()).over("artist_id") < max_per_artist)
            .head(n_tracks)
        )
        entries = tuple(
            _entry(row, rank, _where_it_lies(row))
            for rank, row in enumerate(nearest.iter_rows(named=True), start=1)
        )
        return MoodList(f"nearest in {FEAT_TRACK_MOOD.name}", (note,), entries)


def open_mood_lists(night: Night, task: str) -> MoodLists:
    """The plane as of a night.

    Raises:
        NoMoodPlaneError: the night has none; names newer nights that have.
    """
    catalogue = open_catalogue(night)
    rows = catalogue.view.rows(FEAT_MOOD_PLANE)
    available = catalogue.tracks.filter("is_available")
    placed = available.join(catalogue.view.rows(FEAT_TRACK_MOOD), on="track_id", how="inner")
    for table, found in ((FEAT_MOOD_PLANE, rows), (FEAT_TRACK_MOOD, placed)):
        if found.is_empty():
            raise NoMoodPlaneError(_why_none(night, table))
    plane = MoodPlane.from_rows(rows.iter_rows(named=True))
    return MoodLists(catalogue, plane, task, placed)


def _entry(row: dict[str, Any], rank: int, reason: str) -> MoodEntry:
    track = TrackRef(row["track_id"], row["title"], row["artist_name"])
    return MoodEntry(rank, track, row["valence_position"], row["arousal_position"], reason)


def _where_it_lies(row: dict[str, Any]) -> str:
    """Such as `Calm and happy, 0.04 away on the plane`."""
    words = mood_words(row["valence_cell"], row["arousal_cell"]).capitalize()
    return f"{words}, {row['distance']:.2f} away on the plane"


def _why_none(night: Night, table: Table) -> str:
    days = sorted(as_of_dates(night.settings.lake, table))[-_MAX_DAYS:]
    elsewhere = f"; the newest days that have some: {', '.join(map(str, days))} (--as-of)"
    return (
        f"{table.name}: no available track lies on the plane of moods as of {night.as_of}: no "
        "night of that day has run, or no track had a recording or lyrics that tell its mood; run "
        f"evensong night --as-of {night.as_of}{elsewhere if days else ''}"
    )
