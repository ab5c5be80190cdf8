"""A page of what a search found: one HTML file in which each track can be played."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING

from feature_store.unicode_text import as_utf8
from jobs.report.excerpts import UndecodableFile, audio_excerpt
from jobs.report.media import EmbeddedFiles, Media, read_media
from jobs.report.rendering import render
from jobs.report.tracks import TrackRef

if TYPE_CHECKING:
    from jobs.search.catalogue import Catalogue
    from jobs.search.recording_file import RecordingFile

_FILE = "query"  # key of the excerpt of a recording that is not in the catalogue


@dataclass(frozen=True, slots=True)
class SearchEntry:
    """A track that was found.

    Attributes:
        rank: 1 is the nearest.
        cosine: in [-1, 1].
        vector_kind: which vector of the track was compared.
        reasons: what is true of it and of the query.
    """

    rank: int
    track: TrackRef
    cosine: float
    vector_kind: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SearchPage:
    """Content of the page.

    Attributes:
        kind: what was asked for, such as `Similar to`.
        query: a title, a file's name, or a sentence.
        detail: what is known of the query.
        notes: what a reader must know of the result.
    """

    kind: str
    query: str
    detail: str
    as_of: date
    family: str
    model_version: str
    notes: tuple[str, ...]
    entries: tuple[SearchEntry, ...]


def render_page(
    page: SearchPage,
    catalogue: Catalogue,
    query: TrackRef | RecordingFile | None,
    *,
    now: datetime,
) -> str:
    """Render a search as HTML; excerpts and covers come from the lake's files.

    Args:
        page: what was found.
        catalogue: where the tracks' files are.
        query: a track or a recording that can be played, too; None for a sentence.
        now: time of writing, shown in the footer.
    """
    found = [entry.track.track_id for entry in page.entries]
    is_track = isinstance(query, TrackRef)
    played = [query.track_id, *found] if isinstance(query, TrackRef) else found
    media = read_media(catalogue.view, covers=found, excerpts=played)
    shown = query if is_track else None
    if query is not None and not isinstance(query, TrackRef):
        shown = TrackRef(as_utf8(str(query.path)), as_utf8(query.path.name), "")
        media = replace(media, excerpts=_with_file(media, shown, query.content))
    return render("search.html.j2", page=page, media=media, query_track=shown, now=now)


def _with_file(media: Media, shown: TrackRef, content: bytes) -> EmbeddedFiles:
    """The excerpts, and that of the file; one that is silent in its middle has none."""
    try:
        uri = audio_excerpt(content)
    except UndecodableFile:
        return media.excerpts
    excerpts = media.excerpts
    return replace(
        excerpts,
        uris={_FILE: uri, **excerpts.uris},
        keys={**excerpts.keys, shown.track_id: _FILE},
    )


def entries_of(
    found: Sequence[tuple[TrackRef, float, str, Sequence[str]]],
) -> tuple[SearchEntry, ...]:
    """Ranked entries of (track, cosine, vector kind, reasons), the nearest first."""
    return tuple(
        SearchEntry(rank, track, cosine, kind, tuple(reasons))
        for rank, (track, cosine, kind, reasons) in enumerate(found, start=1)
    )
