"""A page of what `evensong mood` lists: the mood on the plane, and tracks that can be played."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from jobs.report.media import read_media
from jobs.report.rendering import render
from jobs.report.sections.moods import PLANE_SIDE, read_moods

if TYPE_CHECKING:
    from jobs.report.sections.moods import Moods
    from jobs.search.catalogue import Catalogue
    from jobs.search.mood_lists import MoodList
    from jobs.search.mood_position import MoodPosition


@dataclass(frozen=True, slots=True)
class MoodPage:
    """Content of the page.

    Attributes:
        sentence: what was asked for; None for a statement of distress, of which nothing is stored:
            neither the sentence nor that it was one.
        notes: what a reader must know of the result.
    """

    sentence: str | None
    position: MoodPosition
    listed: MoodList
    notes: tuple[str, ...]
    as_of: date
    model: str


@dataclass(frozen=True, slots=True)
class ListedDot:
    """A listed track on the plane, from the top left as in SVG."""

    x: float
    y: float
    rank: int
    title: str


@dataclass(frozen=True, slots=True)
class PlaneMarks:
    """What a page marks on the plane, from the top left as in SVG.

    Attributes:
        region: x, y, width and height of where the sentence may lie; None for no sentence.
        point: x and y of where it most likely lies.
    """

    region: tuple[float, float, float, float] | None
    point: tuple[float, float] | None
    tracks: tuple[ListedDot, ...]


def render_mood_page(page: MoodPage, catalogue: Catalogue, *, now: datetime) -> str:
    """Render the page as HTML; excerpts and covers come from the lake's files.

    Args:
        page: what was found.
        catalogue: where the tracks' files are.
        now: time of writing, shown in the footer.
    """
    listed = [entry.track.track_id for entry in page.listed.entries]
    moods: Moods = read_moods(catalogue.view, ())
    return render(
        "mood.html.j2",
        page=page,
        moods=moods,
        marks=plane_marks(page),
        media=read_media(catalogue.view, covers=listed, excerpts=listed),
        now=now,
    )


def plane_marks(page: MoodPage) -> PlaneMarks:
    """Where the sentence and the tracks are drawn; of a gentle position the tracks alone."""
    tracks = tuple(
        ListedDot(
            *_at(entry.valence_position, entry.arousal_position),
            entry.rank,
            f"{entry.rank}. {entry.track.title} · {entry.track.artist_name}",
        )
        for entry in page.listed.entries
        if entry.valence_position is not None and entry.arousal_position is not None
    )
    if page.sentence is None:
        return PlaneMarks(None, None, tracks)
    valence, arousal = page.position.valence, page.position.arousal
    left, top = _at(valence.low, arousal.high)
    right, bottom = _at(valence.high, arousal.low)
    region = (left, top, right - left, bottom - top)
    return PlaneMarks(region, _at(valence.position, arousal.position), tracks)


def _at(valence_position: float, arousal_position: float) -> tuple[float, float]:
    return valence_position * PLANE_SIDE, (1 - arousal_position) * PLANE_SIDE
