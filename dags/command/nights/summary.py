"""Summary of a finished night, from the tables of its run: for the terminal and as JSON."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from dags.command.printed_text import shown, ticked
from feature_store.lake.arrow_io import read_table
from feature_store.publishing.snapshot import Event, Snapshot, events
from feature_store.settings import Night
from feature_store.tables.recommendations import TIERS
from feature_store.tables.runs import RUN_METRICS, RUN_QUALITY

_SHOWN_LISTENERS = 3
_SHOWN_RANKS = 5


@dataclass(frozen=True, slots=True)
class NightSummary:
    """Summary of a finished run.

    Attributes:
        tasks: newest row of run_metrics for each task, in the order of the tasks.
        event: the run's newest event in published_runs; None when the run left none.
        report: address of the report in the lake.
    """

    night: Night
    tasks: tuple[dict[str, Any], ...]
    event: Event | None
    report: str

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds by stage."""
        by_stage: dict[str, float] = defaultdict(float)
        for task in self.tasks:
            by_stage[task["stage"]] += task["elapsed_s"]
        return {stage: round(total, 1) for stage, total in by_stage.items()}

    def as_json(self) -> dict[str, Any]:
        """Return the summary as printed by --json; other programs rely on its keys."""
        return {
            "run_id": self.night.run_id,
            "as_of": self.night.as_of.isoformat(),
            "tables": {
                task["task"]: {
                    "rows": task["row_count"],
                    "content_sha256": task["content_sha256"],
                }
                for task in self.tasks
            },
            "seconds": self.seconds,
            "report": self.report,
        }


def summarise_night(night: Night, report: str) -> NightSummary:
    """Read the run's rows of run_metrics and its newest event."""
    lake = night.settings.lake
    rows = read_table(lake, RUN_METRICS, as_of=night.as_of).to_pylist()
    newest = {
        row["task"]: row
        for row in sorted(rows, key=lambda row: row["recorded_at_utc"])
        if row["run_id"] == night.run_id
    }
    of_run = [event for event in events(lake) if event.run_id == night.run_id]
    return NightSummary(night, tuple(newest.values()), of_run[-1] if of_run else None, report)


def print_summary(summary: NightSummary, console: Console) -> None:
    """Print stages, gates, quality metrics and the top of three listeners' lists."""
    console.print(_stage_table(summary))
    if summary.event:
        console.print(_gate_table(summary.event))
    _print_quality(summary, console)
    if summary.event and summary.event.tables:
        for list_table in _sample_lists(Snapshot(summary.night.settings.lake, summary.event)):
            console.print(list_table)
    if summary.event:
        console.print(
            f"[bold]{summary.event.action}[/]: run {summary.event.run_id} for "
            f"{summary.event.as_of}, event {summary.event.event_number}"
        )


def _stage_table(summary: NightSummary) -> RichTable:
    table = RichTable("stage", title="What the night did", title_justify="left", box=None)
    for heading in ("tables", "rows written", "MB", "seconds"):
        table.add_column(heading, justify="right")
    for stage, elapsed_s in summary.seconds.items():
        tasks = [task for task in summary.tasks if task["stage"] == stage]
        table.add_row(
            shown(stage),
            str(len(tasks)),
            f"{sum(task['row_count'] for task in tasks):,}",
            f"{sum(task['added_bytes'] for task in tasks) / 1e6:.1f}",
            f"{elapsed_s:.1f}",
        )
    return table


def _gate_table(event: Event) -> RichTable:
    table = RichTable("gate", title="Gates", title_justify="left", box=None)
    for heading in ("value", "must be"):
        table.add_column(heading, justify="right")
    for gate in event.gates:
        rule = ticked(gate["rule"], is_passed=gate["is_passed"])
        table.add_row(rule, f"{gate['value']:g}", shown(gate["threshold"]))
    return table


def _print_quality(summary: NightSummary, console: Console) -> None:
    quality = pl.DataFrame(
        read_table(summary.night.settings.lake, RUN_QUALITY, as_of=summary.night.as_of)
    )
    if quality.is_empty():
        return
    table = RichTable("subject", title="Quality", title_justify="left", box=None)
    for heading in ("split", "metric", "value", "listeners"):
        table.add_column(heading, justify="right")
    tested = quality.filter(pl.col("split") != "validation").sort("split", "metric", "subject")
    for row in tested.iter_rows(named=True):
        table.add_row(
            shown(row["subject"]),
            shown(row["split"]),
            shown(row["metric"]),
            f"{row['value']:.4f}",
            f"{row['n_units']:,}",
        )
    console.print(table)


def _sample_lists(snapshot: Snapshot) -> list[RichTable]:
    """The lists of three listeners: the first one of each tier, by the tier of rank 1."""
    lists = pl.DataFrame(snapshot.read("rec_topk")).sort("user_id", "rank")
    best = lists.filter(pl.col("rank") == 1)
    user_ids: list[str] = []
    for tier in TIERS:
        user_ids += best.filter(pl.col("tier") == tier)["user_id"].head(1).to_list()
    return [
        _list_table(lists.filter(pl.col("user_id") == user_id), user_id, snapshot.as_of)
        for user_id in user_ids[:_SHOWN_LISTENERS]
    ]


def _list_table(rows: pl.DataFrame, user_id: str, as_of: date) -> RichTable:
    title = shown(f"For {user_id}, after {as_of}")
    table = RichTable(title=title, title_justify="left", box=None)
    table.add_column("", justify="right", style="dim")
    for heading in ("track", "artist", "why"):
        table.add_column(heading)
    for row in rows.head(_SHOWN_RANKS).iter_rows(named=True):
        why = Text.assemble(shown(row["tier"], "dim"), " ", shown(row["reason_text"]))
        table.add_row(str(row["rank"]), shown(row["title"]), shown(row["artist_name"]), why)
    return table
