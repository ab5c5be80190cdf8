"""Trends section: task times, published rows and nDCG@10 over the last days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import polars as pl

from feature_store.tables.layers import STAGES
from feature_store.tables.runs import RUN_METRICS, RUN_QUALITY
from jobs.report.charts import LineChart, line_chart
from jobs.report.formatting import metric_name, spaced

if TYPE_CHECKING:
    from jobs.report.lake import RunView

SHOWN_DAYS = 60
_LISTS = ("rec_topk", "rec_similar_tracks")
_METRIC = "ndcg_at_10"


@dataclass(frozen=True, slots=True)
class Trends:
    """Line charts by day; x is the day's distance in days from the run's day, 0 or negative.

    Attributes:
        n_days: days that have a run; a chart with no line of two days is None.
        minutes: minutes of each stage.
        rows: rows of each published table.
        quality: of each task a title, and its first metric on the test split by model and baseline.
    """

    n_days: int
    minutes: LineChart | None
    rows: LineChart | None
    quality: tuple[tuple[str, LineChart], ...]


def read_trends(view: RunView) -> Trends:
    """The newest run of each of the last days; on its own day, this run."""
    tasks = _newest_runs(view)
    minutes = tasks.group_by("as_of_date", "stage").agg(pl.col("elapsed_s").sum() / 60)
    lists = tasks.filter(pl.col("task").is_in(_LISTS))
    as_of = view.night.as_of
    return Trends(
        n_days=tasks["as_of_date"].n_unique(),
        minutes=_chart(minutes, "stage", "elapsed_s", STAGES, as_of),
        rows=_chart(lists, "task", "row_count", _LISTS, as_of),
        quality=_quality(view),
    )


def _quality(view: RunView) -> tuple[tuple[str, LineChart], ...]:
    """A chart for each task with evaluations of two days."""
    rows = _last_days(view.rows_of_all_days(RUN_QUALITY), view.night.as_of)
    rows = rows.filter(pl.col("split") == "test")
    charts = []
    for task in sorted(set(rows["training_task"])):
        of_task = rows.filter(pl.col("training_task") == task)
        measured = set(of_task["metric"])
        metric = _METRIC if _METRIC in measured else min(measured)
        shown = of_task.filter(pl.col("metric") == metric)
        subjects = sorted(set(shown["subject"]))
        chart = _chart(shown, "subject", "value", subjects, view.night.as_of)
        if chart is not None:
            charts.append((f"{metric_name(metric)} of {spaced(task)} on the test split", chart))
    return tuple(charts)


def _newest_runs(view: RunView) -> pl.DataFrame:
    """Newest row of each task of the newest run of each day."""
    rows = _last_days(view.rows_of_all_days(RUN_METRICS), view.night.as_of)
    ended = rows.group_by("as_of_date", "run_id").agg(pl.col("recorded_at_utc").max())
    is_this_run = pl.col("run_id") == view.night.run_id
    runs = ended.sort(is_this_run, "recorded_at_utc").unique(
        subset=["as_of_date"], keep="last", maintain_order=True
    )
    return (
        rows.join(runs.select("as_of_date", "run_id"), on=["as_of_date", "run_id"], how="semi")
        .sort("recorded_at_utc")
        .unique(subset=["as_of_date", "task"], keep="last", maintain_order=True)
    )


def _last_days(rows: pl.DataFrame, as_of: date) -> pl.DataFrame:
    start = as_of - timedelta(days=SHOWN_DAYS)
    return rows.filter((pl.col("as_of_date") > start) & (pl.col("as_of_date") <= as_of))


def _chart(
    rows: pl.DataFrame, name_column: str, value_column: str, names: Sequence[str], as_of: date
) -> LineChart | None:
    """One line for each name with at least two days; None when there is no such name."""
    lines = {}
    for name in names:
        days = rows.filter(pl.col(name_column) == name).sort("as_of_date")
        points = [
            ((day - as_of).days, value)
            for day, value in days.select("as_of_date", value_column).rows()
        ]
        if len(points) > 1:
            lines[name] = points
    return line_chart(lines) if lines else None
