"""Stages section: seconds, rows and bytes of each task of the run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from feature_store.tables.layers import STAGES
from feature_store.tables.runs import RUN_METRICS

if TYPE_CHECKING:
    from jobs.report.lake import RunView


@dataclass(frozen=True, slots=True)
class TaskRow:
    """What the newest try of a task wrote, and how long it took."""

    task: str
    row_count: int
    added_bytes: int
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the night; its tasks stand in the order in which they ended."""

    name: str
    tasks: tuple[TaskRow, ...]

    @property
    def elapsed_s(self) -> float:
        """Sum of the seconds of all tasks, parallel ones included."""
        return sum(task.elapsed_s for task in self.tasks)

    @property
    def row_count(self) -> int:
        """Rows of all tasks."""
        return sum(task.row_count for task in self.tasks)


def read_stages(view: RunView) -> tuple[Stage, ...]:
    """Stages in the order of the night, with the newest row of each task."""
    rows = view.rows(RUN_METRICS).filter(pl.col("run_id") == view.night.run_id)
    newest = rows.sort("recorded_at_utc", "task").unique(
        subset=["task"], keep="last", maintain_order=True
    )
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
            key=lambda group: (_stage_order(str(group[0][0])), str(group[0][0])),
        )
    )


def _stage_order(name: str) -> int:
    """Position in the night; an unknown stage comes last."""
    return STAGES.index(name) if name in STAGES else len(STAGES)
