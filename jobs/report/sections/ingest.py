"""Ingest section: rows of the raw tables, and rejected rows by reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from feature_store.tables.raw import RAW_REJECTS, REJECT_REASONS
from feature_store.tables.raw import TABLES as RAW_TABLES

if TYPE_CHECKING:
    from jobs.report.lake import Redactor, RunView
    from jobs.report.sections.stages import Stage

_EXAMPLES = 2


@dataclass(frozen=True, slots=True)
class RawTableCounts:
    """Rows of one raw table.

    Attributes:
        run_rows: rows that this run wrote; None when it did not write the table.
        total_rows: all rows up to the run's day.
    """

    table_name: str
    meaning: str
    run_rows: int | None
    total_rows: int


@dataclass(frozen=True, slots=True)
class RejectExample:
    """One rejected row: its source, the error, and the row without user ids."""

    source_file: str
    source_row: int
    detail: str
    original: str


@dataclass(frozen=True, slots=True)
class RejectGroup:
    """Rejected rows of one table and one reason."""

    table_name: str
    reason: str
    meaning: str
    day_rows: int
    total_rows: int
    examples: tuple[RejectExample, ...]


@dataclass(frozen=True, slots=True)
class Ingest:
    """Content of the ingest section."""

    raw_tables: tuple[RawTableCounts, ...]
    rejects: tuple[RejectGroup, ...]

    @property
    def total_rows(self) -> int:
        """Rows of all raw tables up to the run's day."""
        return sum(table.total_rows for table in self.raw_tables)


def read_ingest(view: RunView, stages: Sequence[Stage], redactor: Redactor) -> Ingest:
    """Rows of each raw table, and the rejected rows up to the run's day."""
    written = {task.task: task.row_count for stage in stages for task in stage.tasks}
    raw_tables = tuple(
        RawTableCounts(table.name, table.meaning, written.get(table.name), view.row_count(table))
        for table in RAW_TABLES
        if table is not RAW_REJECTS
    )
    return Ingest(
        tuple(table for table in raw_tables if table.total_rows or table.run_rows),
        _reject_groups(view, redactor),
    )


def _reject_groups(view: RunView, redactor: Redactor) -> tuple[RejectGroup, ...]:
    rows = view.rows(RAW_REJECTS).sort(
        ["arrival_date", "source_file", "source_row"], descending=[True, False, False]
    )
    return tuple(
        RejectGroup(
            table_name=str(table_name),
            reason=str(reason),
            meaning=REJECT_REASONS[str(reason)],
            day_rows=rejects.filter(pl.col("arrival_date") == view.night.as_of).height,
            total_rows=rejects.height,
            examples=tuple(
                _example(row, redactor) for row in rejects.head(_EXAMPLES).iter_rows(named=True)
            ),
        )
        for (table_name, reason), rejects in sorted(
            rows.group_by(["table_name", "reject_reason"], maintain_order=True),
            key=lambda group: (-group[1].height, group[0]),
        )
    )


def _example(row: dict[str, object], redactor: Redactor) -> RejectExample:
    original = str(row["original_text"])
    return RejectExample(
        source_file=str(row["source_file"]),
        source_row=int(str(row["source_row"])),
        detail=redactor.redact_text(str(row["reject_detail"]), original),
        original=redactor.redact_row(original),
    )
