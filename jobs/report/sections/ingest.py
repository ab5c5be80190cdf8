"""What came in, what each task did with it, and how many tracks have content that works."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from feature_store.contract import Table
from feature_store.runs.run_log import STAGES
from feature_store.tables.core import CORE_TRACKS
from feature_store.tables.features import FEAT_AUDIO, FEAT_COVER, FEAT_LYRICS, FEAT_TRACK_TAGS
from feature_store.tables.graph import GRAPH_TRACK_HAS_TAG
from feature_store.tables.raw import RAW_REJECTS, REJECT_REASONS
from feature_store.tables.raw import TABLES as RAW_TABLES
from feature_store.tables.runs import RUN_METRICS
from jobs.report.lake import Discretion, RunView

_EXAMPLES = 2
_LAST_STAGE = "publish"
_UNREAD_TAGS = "no_readable_tag"


@dataclass(frozen=True, slots=True)
class Arrival:
    """One raw table: rows that this run took (None: it did not write it), and all up to its day."""

    table_name: str
    meaning: str
    run_rows: int | None
    all_rows: int


@dataclass(frozen=True, slots=True)
class RejectExample:
    """One rejected row: where it lies, what is wrong, and the row without the ids of people."""

    source_file: str
    source_row: int
    detail: str
    original: str


@dataclass(frozen=True, slots=True)
class Rejects:
    """Rejected rows of one table and reason."""

    table_name: str
    reason: str
    meaning: str
    day_rows: int
    all_rows: int
    examples: tuple[RejectExample, ...]


@dataclass(frozen=True, slots=True)
class Intake:
    """The section "What came in"."""

    arrivals: tuple[Arrival, ...]
    rejects: tuple[Rejects, ...]

    @property
    def all_rows(self) -> int:
        """Rows in the raw tables up to the run's day."""
        return sum(arrival.all_rows for arrival in self.arrivals)


@dataclass(frozen=True, slots=True)
class TaskRow:
    """What the newest try of a task did."""

    task: str
    row_count: int
    added_bytes: int
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class Stage:
    """The tasks of one part of the night, in the order in which they ended."""

    name: str
    tasks: tuple[TaskRow, ...]

    @property
    def elapsed_s(self) -> float:
        """Seconds of all its tasks, also those that ran side by side."""
        return sum(task.elapsed_s for task in self.tasks)

    @property
    def row_count(self) -> int:
        """Rows of all its tasks."""
        return sum(task.row_count for task in self.tasks)


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many tracks have content of one kind, and what became of it.

    Attributes:
        broken: tracks by failure reason, most first.
        waiting: tracks whose content the named encoder has not seen.
    """

    modality: str
    encoder_id: str
    tracks: int
    usable: int
    broken: tuple[tuple[str, int], ...]
    waiting: int

    @property
    def broken_tracks(self) -> int:
        """Tracks whose content could not be used."""
        return sum(tracks for _, tracks in self.broken)

    @property
    def absent(self) -> int:
        """Tracks without content of this kind."""
        return self.tracks - self.usable - self.broken_tracks - self.waiting


def intake_of(view: RunView, discretion: Discretion) -> Intake:
    """Rows of each raw table, and the rejects of the run's day and before."""
    written = {task.task: task.row_count for stage in stages_of(view) for task in stage.tasks}
    arrivals = tuple(
        Arrival(table.name, table.meaning, written.get(table.name), view.row_count(table))
        for table in RAW_TABLES
        if table is not RAW_REJECTS
    )
    return Intake(
        tuple(found for found in arrivals if found.all_rows or found.run_rows),
        _rejects(view, discretion),
    )


def stages_of(view: RunView) -> tuple[Stage, ...]:
    """Stages in the order of the night, each with the newest row of its tasks."""
    rows = view.rows(RUN_METRICS).filter(pl.col("run_id") == view.night.run_id)
    newest = rows.sort("recorded_at_utc", "task").unique(
        subset=["task"], keep="last", maintain_order=True
    )
    order = list(dict.fromkeys([*STAGES.values(), _LAST_STAGE]))
    return tuple(
        Stage(
            str(name),
            tuple(
                TaskRow(row["task"], row["row_count"], row["added_bytes"], row["elapsed_s"])
                for row in tasks.iter_rows(named=True)
            ),
        )
        for (name,), tasks in sorted(
            newest.group_by(["stage"], maintain_order=True),
            key=lambda part: (_place(order, str(part[0][0])), str(part[0][0])),
        )
    )


def coverage_of(view: RunView) -> tuple[Coverage, ...]:
    """Available tracks with audio, lyrics, cover and tags; nothing when the catalogue is empty."""
    tracks = view.rows(
        CORE_TRACKS, ["track_id", "is_available", "audio_hash", "lyrics_hash", "cover_hash"]
    ).filter("is_available")
    encoders = view.night.settings.encoders
    parts = (
        ("audio", FEAT_AUDIO, encoders.audio),
        ("lyrics", FEAT_LYRICS, encoders.lyrics),
        ("cover", FEAT_COVER, encoders.cover),
    )
    if tracks.is_empty():
        return ()
    return (
        *(_coverage(view, tracks, *part) for part in parts),
        _tags_coverage(view, tracks, encoders.lyrics),
    )


def features_of(view: RunView, table: Table, encoder_id: str, columns: list[str]) -> pl.DataFrame:
    """Rows by the named encoder, one for each content hash.

    New weights or preprocessing under the same encoder_id leave the earlier rows in place; for a
    picture of the catalogue any of them will do, so the first in key order is taken.
    """
    asked = ["content_hash", "encoder_id", *columns]
    rows = view.rows(table, asked).filter(pl.col("encoder_id") == encoder_id)
    return rows.unique(subset=["content_hash"], keep="first", maintain_order=True)


def _coverage(
    view: RunView, tracks: pl.DataFrame, modality: str, table: Table, encoder_id: str
) -> Coverage:
    features = features_of(view, table, encoder_id, ["failure_reason"])
    having = tracks.filter(pl.col(f"{modality}_hash").is_not_null())
    judged = having.join(features, how="left", left_on=f"{modality}_hash", right_on="content_hash")
    seen = judged.filter(pl.col("encoder_id").is_not_null())
    broken = seen.filter(pl.col("failure_reason").is_not_null())
    reasons = (
        broken.group_by("failure_reason")
        .len()
        .sort(["len", "failure_reason"], descending=[True, False])
    )
    return Coverage(
        modality=modality,
        encoder_id=encoder_id,
        tracks=tracks.height,
        usable=seen.height - broken.height,
        broken=tuple(reasons.iter_rows()),
        waiting=having.height - seen.height,
    )


def _tags_coverage(view: RunView, tracks: pl.DataFrame, encoder_id: str) -> Coverage:
    """Tracks with tags; those of which none could be read are broken, and none waits."""
    having = tracks.join(view.rows(GRAPH_TRACK_HAS_TAG, ["track_id"]), on="track_id", how="semi")
    usable = having.join(view.rows(FEAT_TRACK_TAGS, ["track_id"]), on="track_id", how="semi")
    unread = having.height - usable.height
    return Coverage(
        modality="tags",
        encoder_id=encoder_id,
        tracks=tracks.height,
        usable=usable.height,
        broken=((_UNREAD_TAGS, unread),) if unread else (),
        waiting=0,
    )


def _rejects(view: RunView, discretion: Discretion) -> tuple[Rejects, ...]:
    rows = view.rows(RAW_REJECTS).sort(
        ["arrival_date", "source_file", "source_row"], descending=[True, False, False]
    )
    return tuple(
        Rejects(
            table_name=str(table_name),
            reason=str(reason),
            meaning=REJECT_REASONS[str(reason)],
            day_rows=found.filter(pl.col("arrival_date") == view.night.as_of).height,
            all_rows=found.height,
            examples=tuple(
                _example(row, discretion) for row in found.head(_EXAMPLES).iter_rows(named=True)
            ),
        )
        for (table_name, reason), found in sorted(
            rows.group_by(["table_name", "reject_reason"], maintain_order=True),
            key=lambda part: (-part[1].height, part[0]),
        )
    )


def _example(row: dict[str, object], discretion: Discretion) -> RejectExample:
    original = str(row["original_text"])
    return RejectExample(
        source_file=str(row["source_file"]),
        source_row=int(str(row["source_row"])),
        detail=discretion.sentence(str(row["reject_detail"]), original),
        original=discretion.original(original),
    )


def _place(order: list[str], name: str) -> int:
    return order.index(name) if name in order else len(order)
