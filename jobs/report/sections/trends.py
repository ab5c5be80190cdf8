"""How the nights before this one went, so that a slow drift can be seen before it is an alert."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import polars as pl

from feature_store.runs.run_log import STAGES
from feature_store.tables.runs import RUN_METRICS, RUN_QUALITY
from jobs.report.charts import LineChart, line_chart

if TYPE_CHECKING:
    from jobs.report.lake import RunView

SHOWN_DAYS = 60
_LISTS = ("rec_topk", "rec_similar_tracks")
_METRIC = "ndcg_at_10"


@dataclass(frozen=True, slots=True)
class Trends:
    """Charts over the days up to the run's; the x of a day is its distance, 0 for the run's own.

    Attributes:
        n_nights: days that have a run; charts of fewer than two are None.
        minutes: of each stage.
        rows: of the published lists.
        quality: nDCG@10 of each model and rival on the test split.
    """

    n_nights: int
    minutes: LineChart | None
    rows: LineChart | None
    quality: LineChart | None


def trends_of(view: RunView) -> Trends:
    """The newest run of each of the last days; the run's own stands for its day."""
    tasks = _newest_runs(view)
    minutes = tasks.group_by("as_of_date", "stage").agg(pl.col("elapsed_s").sum() / 60)
    lists = tasks.filter(pl.col("task").is_in(_LISTS))
    measured = _recent(view.every_row(RUN_QUALITY), view.night.as_of).filter(
        (pl.col("split") == "test") & (pl.col("metric") == _METRIC)
    )
    order = list(dict.fromkeys(STAGES.values()))
    as_of = view.night.as_of
    return Trends(
        n_nights=tasks["as_of_date"].n_unique(),
        minutes=_chart(minutes, "stage", "elapsed_s", order, as_of),
        rows=_chart(lists, "task", "row_count", _LISTS, as_of),
        quality=_chart(measured, "subject", "value", sorted(set(measured["subject"])), as_of),
    )


def _newest_runs(view: RunView) -> pl.DataFrame:
    """Newest row of each task of the newest run of each day."""
    recent = _recent(view.every_row(RUN_METRICS), view.night.as_of)
    ended = recent.group_by("as_of_date", "run_id").agg(pl.col("recorded_at_utc").max())
    is_own = pl.col("run_id") == view.night.run_id
    runs = ended.sort(is_own, "recorded_at_utc").unique(
        subset=["as_of_date"], keep="last", maintain_order=True
    )
    return (
        recent.join(runs.select("as_of_date", "run_id"), on=["as_of_date", "run_id"], how="semi")
        .sort("recorded_at_utc")
        .unique(subset=["as_of_date", "task"], keep="last", maintain_order=True)
    )


def _recent(rows: pl.DataFrame, as_of: date) -> pl.DataFrame:
    first = as_of - timedelta(days=SHOWN_DAYS)
    return rows.filter((pl.col("as_of_date") > first) & (pl.col("as_of_date") <= as_of))


def _chart(
    rows: pl.DataFrame, name: str, value: str, order: Sequence[str], as_of: date
) -> LineChart | None:
    """One line for each name that has two days or more; None when none has."""
    lines = {}
    for wanted in order:
        days = rows.filter(pl.col(name) == wanted).sort("as_of_date")
        points = [
            ((day - as_of).days, found) for day, found in days.select("as_of_date", value).rows()
        ]
        if len(points) > 1:
            lines[wanted] = points
    return line_chart(lines) if lines else None
