"""Everything the page says, gathered from the tables of one run before a line of it is drawn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.report.lake import discretion_of, view_of
from jobs.report.media import Media, media_of
from jobs.report.sections.catalogue import Catalogue, TrackRef, catalogue_of
from jobs.report.sections.ingest import Coverage, Intake, Stage, coverage_of, intake_of, stages_of
from jobs.report.sections.lists import Lists, lists_of, tier_by_user, topk_of
from jobs.report.sections.quality import Quality, quality_of
from jobs.report.sections.run_status import GateRow, Header, gates_of, header_of
from jobs.report.sections.similar_tracks import Changes, Similar, changes_of, similar_of
from jobs.report.sections.social import Graph, graph_of
from jobs.report.sections.trends import Trends, trends_of

if TYPE_CHECKING:
    from feature_store.settings import Night


@dataclass(frozen=True, slots=True)
class Contents:
    """The page's sections, in its order."""

    header: Header
    intake: Intake
    stages: tuple[Stage, ...]
    coverage: tuple[Coverage, ...]
    catalogue: Catalogue
    graph: Graph
    quality: Quality
    gates: tuple[GateRow, ...]
    lists: Lists
    similar: Similar
    changes: Changes | None
    trends: Trends
    media: Media

    @property
    def elapsed_s(self) -> float:
        """Seconds of all tasks."""
        return sum(stage.elapsed_s for stage in self.stages)


def collect(night: Night) -> Contents:
    """Read what the page needs; what a lake does not have is an empty section."""
    view = view_of(night)
    discretion = discretion_of(view)
    gates = gates_of(view, discretion)
    topk = topk_of(view)
    catalogue, similar = catalogue_of(view), similar_of(view)
    lists, changes = lists_of(view, topk), changes_of(view)
    named = [track.track_id for track in _named(lists, similar, changes)]
    return Contents(
        header=header_of(view, gates),
        intake=intake_of(view, discretion),
        stages=stages_of(view),
        coverage=coverage_of(view),
        catalogue=catalogue,
        graph=graph_of(view, tier_by_user(topk)),
        quality=quality_of(view),
        gates=gates,
        lists=lists,
        similar=similar,
        changes=changes,
        trends=trends_of(view),
        media=media_of(
            view,
            covers=[*named, *(track.track_id for track in catalogue.wall)],
            excerpts=[track.track_id for track in _audible(lists, similar)],
        ),
    )


def _named(lists: Lists, similar: Similar, changes: Changes | None) -> Iterator[TrackRef]:
    """Every track that the page shows with a cover, outside the wall."""
    for listener in lists.listeners:
        yield from (entry.track for entry in listener.entries)
        yield from (recent.track for recent in listener.recent)
    for shown in similar.shown:
        yield shown.track
        yield from (neighbour.track for neighbour in shown.neighbours)
    if changes is not None:
        yield from (move.track for move in (*changes.gained, *changes.lost))


def _audible(lists: Lists, similar: Similar) -> Iterator[TrackRef]:
    """By who gets an excerpt first: similar tracks, then each list's first, second and so on."""
    for shown in similar.shown:
        yield shown.track
        yield from (neighbour.track for neighbour in shown.neighbours[:3])
    longest = max((len(listener.entries) for listener in lists.listeners), default=0)
    for place in range(longest):
        for listener in lists.listeners:
            yield from (entry.track for entry in listener.entries[place : place + 1])
