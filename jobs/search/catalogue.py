"""The catalogue of a night as a search sees it: its available tracks, by id or by title."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from feature_store.tables.core import CORE_TRACKS
from feature_store.tables.recommendations import REC_SIMILAR_TRACKS
from feature_store.unicode_text import is_utf8
from jobs.recommendations.steps.track_vectors import TRAINED
from jobs.report.lake import RunView, open_run
from jobs.report.tracks import TrackRef

if TYPE_CHECKING:
    from feature_store.settings import Night

COLUMNS = (
    "track_id",
    "title",
    "artist_id",
    "artist_name",
    "album_id",
    "album_title",
    "audio_hash",
    "is_available",
)

_MAX_LISTED = 10  # tracks that a message names
_MAX_SHOWN = 80  # characters of what was asked for
_MAX_COMPARED = 20_000  # ids and titles that are compared letter by letter
_LENGTH_TOLERANCE = 4  # characters by which a misspelt title may be longer or shorter
_CLOSE_RATIO = 0.6  # of equal letters, see difflib


class UnknownTrackError(LookupError):
    """No track has this id or title, and no file is there."""


class AmbiguousTitleError(LookupError):
    """Several tracks have this title."""


class TrackWithdrawnError(LookupError):
    """The track is not available, so it has no neighbours and is nobody's."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The tracks of a night.

    Attributes:
        tracks: COLUMNS of core_tracks as of the night, also of tracks that are not available.
    """

    view: RunView
    tracks: pl.DataFrame

    @property
    def available_ids(self) -> list[str]:
        """The tracks that may be found: those that rec_similar_tracks lists."""
        return self.tracks.filter("is_available")["track_id"].to_list()

    def has_track(self, text: str) -> bool:
        """Whether a track has this id, available or not."""
        # The name of a file may hold other bytes, which no column can be compared with.
        return is_utf8(text) and bool((self.tracks["track_id"] == text).any())

    def refs(self, track_ids: Iterable[str]) -> dict[str, TrackRef]:
        """Id, title and artist of tracks by their ids."""
        rows = self.tracks.filter(pl.col("track_id").is_in(list(track_ids)))
        return {ref.track_id: ref for ref in _refs(rows)}

    def find_track(self, text: str) -> TrackRef:
        """The track with this id, or else the only one with this title.

        Upper and lower case and further blanks make no other title.

        Raises:
            TrackWithdrawnError: the track is not available.
            AmbiguousTitleError: several available tracks have this title; names them.
            UnknownTrackError: none has it; names ids and titles that are close.
        """
        available = self.tracks.filter("is_available")
        if self.has_track(text):
            found = _refs(available.filter(pl.col("track_id") == text))
            if not found:
                raise TrackWithdrawnError(
                    f"{CORE_TRACKS.name}: {text} is not available as of {self.view.night.as_of} "
                    "(is_available), so it is like no track; name another one"
                )
            return found[0]
        titles = available["title"].to_list()
        folded = _folded(text)
        is_called = [_folded(title) == folded for title in titles]
        called = _refs(available.filter(pl.Series(is_called, dtype=pl.Boolean)))
        if len(called) == 1:
            return called[0]
        if called:
            raise AmbiguousTitleError(
                f"{CORE_TRACKS.name}: {len(called)} tracks are called {text!r}; name the id of "
                f"one: {_listed(called)}"
            )
        raise UnknownTrackError(self._unknown(text, available))

    def elsewhere(self, track_id: str) -> str:
        """A sentence about the list that rec_similar_tracks has of a track; empty without one."""
        rows = self.view.rows(REC_SIMILAR_TRACKS, ["track_id", "modalities"])
        is_centred = ~pl.col("modalities").list.contains(TRAINED)
        n_rows = rows.filter((pl.col("track_id") == track_id) & is_centred).height
        if not n_rows:
            return ""
        listed = (
            f". {REC_SIMILAR_TRACKS.name} lists {n_rows} tracks for {track_id}, by centred cosines"
        )
        if self.view.event is None or self.view.event != self.view.current:
            return listed
        return f"{listed}: evensong read {REC_SIMILAR_TRACKS.name} --track {track_id}"

    def _unknown(self, text: str, available: pl.DataFrame) -> str:
        """A message that names close ids and titles."""
        close = _close(text, available)
        hint = f"close to it: {_listed(close)}" if close else "nothing is close to it"
        return (
            f"{CORE_TRACKS.name}: no available track as of {self.view.night.as_of} has the id or "
            f"title {_shortened(text)!r}, and {_no_file(text)}; {hint}"
        )


def open_catalogue(night: Night) -> Catalogue:
    """The catalogue as of a night; without rows where core_tracks is not there."""
    view = open_run(night)
    return Catalogue(view, view.rows(CORE_TRACKS, COLUMNS))


def _refs(rows: pl.DataFrame) -> list[TrackRef]:
    in_order = rows.sort("track_id").select("track_id", "title", "artist_name")
    return [TrackRef(*row) for row in in_order.iter_rows()]


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"


def _no_file(text: str) -> str:
    """Why the text names no file of this machine, for a message."""
    if os.path.isdir(text):  # noqa: PTH112  unlike Path, it takes a name of any length
        return "it is a folder (name a file in it)"
    if os.path.islink(text):  # noqa: PTH114  likewise
        return "it is a link to a file that is not there"
    return "there is no such file"


def _listed(tracks: list[TrackRef]) -> str:
    named = [f"{one.track_id} ({one.title} · {one.artist_name})" for one in tracks[:_MAX_LISTED]]
    more = f" and {len(tracks) - _MAX_LISTED} more" if len(tracks) > _MAX_LISTED else ""
    return ", ".join(named) + more


def _close(text: str, available: pl.DataFrame) -> list[TrackRef]:
    """Tracks whose id or title is nearly the text, the closest first."""
    folded = _folded(text)
    by_spelling: dict[str, list[TrackRef]] = {}
    for ref in _refs(available):
        for spelling in {_folded(ref.track_id), _folded(ref.title)}:
            is_near = abs(len(spelling) - len(folded)) <= _LENGTH_TOLERANCE
            if is_near or (folded and folded in spelling):
                by_spelling.setdefault(spelling, []).append(ref)
        if len(by_spelling) >= _MAX_COMPARED:
            break
    similar = difflib.get_close_matches(folded, by_spelling, _MAX_LISTED, _CLOSE_RATIO)
    containing = sorted(spelling for spelling in by_spelling if folded and folded in spelling)
    found = [ref for one in dict.fromkeys([*similar, *containing]) for ref in by_spelling[one]]
    return list(dict.fromkeys(found))
