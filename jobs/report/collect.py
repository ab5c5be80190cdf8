"""Collect the content of every section from the tables of one run, before anything is rendered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.report.lake import open_run, read_redactor
from jobs.report.media import Media, read_media
from jobs.report.sections.catalogue import Catalogue, read_catalogue
from jobs.report.sections.changes import Changes, read_changes
from jobs.report.sections.coverage import Coverage, read_coverage
from jobs.report.sections.graph import Graph, read_graph
from jobs.report.sections.ingest import Ingest, read_ingest
from jobs.report.sections.lists import Lists, main_tier_by_user, read_lists, read_topk
from jobs.report.sections.moods import Moods, read_moods
from jobs.report.sections.quality import QualitySection, read_quality
from jobs.report.sections.run_status import (
    ContractRow,
    GateRow,
    Header,
    read_contracts,
    read_gates,
    read_header,
)
from jobs.report.sections.similar_tracks import SimilarTracks, read_similar_tracks
from jobs.report.sections.stages import Stage, read_stages
from jobs.report.sections.trends import Trends, read_trends

if TYPE_CHECKING:
    from feature_store.settings import Night
    from jobs.report.tracks import TrackRef

_EXCERPT_NEIGHBOURS = 3  # similar tracks of each seed track that get an audio excerpt


@dataclass(frozen=True, slots=True)
class ReportContent:
    """Content of the page, one field for each section."""

    header: Header
    ingest: Ingest
    stages: tuple[Stage, ...]
    coverage: tuple[Coverage, ...]
    catalogue: Catalogue
    graph: Graph
    quality: QualitySection
    gates: tuple[GateRow, ...]
    contracts: tuple[ContractRow, ...]
    lists: Lists
    moods: Moods
    similar: SimilarTracks
    changes: Changes | None
    trends: Trends
    media: Media

    @property
    def elapsed_s(self) -> float:
        """Sum of the seconds of all tasks."""
        return sum(stage.elapsed_s for stage in self.stages)


def collect(night: Night) -> ReportContent:
    """Read the content of the page; a section whose tables are missing is empty."""
    view = open_run(night)
    redactor = read_redactor(view)
    gates = read_gates(view, redactor)
    topk = read_topk(view)
    stages = read_stages(view)
    catalogue, similar = read_catalogue(view), read_similar_tracks(view)
    lists, changes = read_lists(view, topk), read_changes(view)
    moods = read_moods(view, [user.user_id for user in lists.sample_users])
    with_cover = [track.track_id for track in _tracks_with_cover(lists, similar, changes)]
    return ReportContent(
        header=read_header(view, gates),
        ingest=read_ingest(view, stages, redactor),
        stages=stages,
        coverage=read_coverage(view),
        catalogue=catalogue,
        graph=read_graph(view, main_tier_by_user(topk)),
        quality=read_quality(view),
        gates=gates,
        contracts=read_contracts(view),
        lists=lists,
        moods=moods,
        similar=similar,
        changes=changes,
        trends=read_trends(view),
        media=read_media(
            view,
            covers=[
                *with_cover,
                *_by_rank(moods, ranks=1),
                *(track.track_id for track in catalogue.cover_wall),
                *_by_rank(moods),
            ],
            excerpts=[
                *(track.track_id for track in _tracks_with_excerpt(lists, similar, moods)),
                *_by_rank(moods),
            ],
        ),
    )


def _tracks_with_cover(
    lists: Lists, similar: SimilarTracks, changes: Changes | None
) -> Iterator[TrackRef]:
    """Every track that the page shows with a cover, except the wall of covers."""
    for user in lists.sample_users:
        yield from (entry.track for entry in user.entries)
        yield from (recent.track for recent in user.recent)
    for shown in similar.samples:
        yield shown.track
        yield from (neighbour.track for neighbour in shown.neighbours)
    if changes is not None:
        yield from (change.track for change in (*changes.gained, *changes.lost))


def _by_rank(moods: Moods, ranks: int | None = None) -> list[str]:
    """Track ids of the lists of all cells: rank 1 of each, rank 2 and so on, up to `ranks`."""
    entries = [entry for cell in moods.cells for entry in cell.entries[:ranks]]
    return [entry.track.track_id for entry in sorted(entries, key=lambda entry: entry.rank)]


def _tracks_with_excerpt(lists: Lists, similar: SimilarTracks, moods: Moods) -> Iterator[TrackRef]:
    """By priority: similar tracks, the opened list of a mood, rank 1 of each list, rank 2, ..."""
    for shown in similar.samples:
        yield shown.track
        yield from (neighbour.track for neighbour in shown.neighbours[:_EXCERPT_NEIGHBOURS])
    if moods.opened is not None:
        yield from (entry.track for entry in moods.opened.entries)
    longest = max((len(user.entries) for user in lists.sample_users), default=0)
    for index in range(longest):
        for user in lists.sample_users:
            yield from (entry.track for entry in user.entries[index : index + 1])
