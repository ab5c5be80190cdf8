"""Quality and training sections: offline metrics, baselines, next-day hit rates, loss curves."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import polars as pl

from feature_store.lake.storage import open_storage
from feature_store.tables import OUTPUT_COLUMNS, output_tables
from feature_store.tables.runs import RUN_MODELS, RUN_QUALITY
from feature_store.tables.scores import SCORE_EVALUATION
from jobs.report.charts import LineChart, line_chart

if TYPE_CHECKING:
    from jobs.report.lake import RunView

METRICS = ("recall_at_10", "ndcg_at_10", "mrr", "coverage", "novelty")  # columns in this order
RANKING_METRICS = METRICS[:3]  # higher is better
NEXT_DAY = "next_day"
_OFFLINE_SPLITS = ("test", "validation")
_HISTORY = "history.json"


@dataclass(frozen=True, slots=True)
class FitCurves:
    """Curves of one fit of a model: its named losses, and the validation metric if measured."""

    purpose: str
    n_epochs: int
    best_epoch: int
    losses: LineChart
    validation: LineChart | None


@dataclass(frozen=True, slots=True)
class Model:
    """A model that the run used.

    Attributes:
        task: what it learned.
        is_new: the run trained the model; only then `fits` has curves.
        fits: empty also for a model that is solved in closed form.
    """

    task: str
    family: str
    version: str
    trained_as_of: date
    is_new: bool
    fits: tuple[FitCurves, ...]


@dataclass(frozen=True, slots=True)
class SubjectMetrics:
    """One row of a metrics table: values in column order, None where not measured."""

    subject: str
    is_model_of_run: bool
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class MetricsTable:
    """Metrics of a task's models on one split.

    Attributes:
        n_units: listeners, sentences or tracks over which the metrics are means.
        baseline: the weakest of the other rows by the first metric; None without another row.
    """

    task: str
    split: str
    measured_as_of: date
    n_units: int
    metrics: tuple[str, ...]
    subjects: tuple[SubjectMetrics, ...]
    baseline: SubjectMetrics | None

    @property
    def ranking_metrics(self) -> tuple[str, ...]:
        """Metrics for which a multiple of the baseline is meaningful."""
        return tuple(name for name in self.metrics if name in RANKING_METRICS)


@dataclass(frozen=True, slots=True)
class NextDayRate:
    """A next-day hit rate of a published table, with its history up to the run's day."""

    subject: str
    metric: str
    value: float
    n_units: int
    history: LineChart | None


@dataclass(frozen=True, slots=True)
class QualitySection:
    """Content of the quality and training sections.

    Attributes:
        without_data: tasks that had no data, with the reason.
    """

    models: tuple[Model, ...]
    without_data: tuple[tuple[str, str], ...]
    tables: tuple[MetricsTable, ...]
    next_day: tuple[NextDayRate, ...]


def read_quality(view: RunView) -> QualitySection:
    """Models behind the run's lists, offline metrics, and the day's hit rates."""
    models = _models(view)
    return QualitySection(
        models, _without_data(view), _metrics_tables(view, models), _next_day(view)
    )


def _models(view: RunView) -> tuple[Model, ...]:
    """The models that the run's tables name; a table of models' outputs has their versions."""
    columns = list(OUTPUT_COLUMNS)
    used = pl.concat([view.rows(table, columns).unique() for table in output_tables()])
    rows = view.rows_of_all_days(RUN_MODELS).join(used, on=columns, how="semi")
    newest = rows.sort("checked_as_of_date", "recorded_at_utc").unique(
        ["training_task", *columns], keep="last", maintain_order=True
    )
    return tuple(
        Model(
            task=row["training_task"],
            family=row["family"],
            version=row["model_version"],
            trained_as_of=row["trained_as_of_date"],
            is_new=row["run_id"] == view.night.run_id
            and row["trained_as_of_date"] == view.night.as_of,
            fits=_fits(view, row["checkpoint_uri"]) if row["run_id"] == view.night.run_id else (),
        )
        for row in newest.sort("training_task", "family", "model_version").iter_rows(named=True)
    )


def _without_data(view: RunView) -> tuple[tuple[str, str], ...]:
    """Tasks that had nothing to learn from on the run's day."""
    rows = view.rows_of_all_days(RUN_MODELS).filter(
        (pl.col("checked_as_of_date") == view.night.as_of) & pl.col("no_data_reason").is_not_null()
    )
    found = rows.select("training_task", "no_data_reason").unique().sort("training_task")
    return tuple((task, reason) for task, reason in found.rows())


def _fits(view: RunView, checkpoint_uri: str) -> tuple[FitCurves, ...]:
    """Curves of history.json: {purpose: {epochs: [{number, losses, validation}], best_epoch}}."""
    storage = open_storage(view.lake)
    history = json.loads(storage.read(f"{checkpoint_uri}/{_HISTORY}"))
    return tuple(_curves(purpose, fit) for purpose, fit in history.items() if fit["epochs"])


def _curves(purpose: str, fit: dict[str, Any]) -> FitCurves:
    epochs = fit["epochs"]
    names = list(epochs[0]["losses"])
    losses = {
        name: [(epoch["number"], epoch["losses"][name]) for epoch in epochs] for name in names
    }
    validation = [
        (epoch["number"], epoch["validation"])
        for epoch in epochs
        if epoch["validation"] is not None
    ]
    return FitCurves(
        purpose=purpose,
        n_epochs=len(epochs),
        best_epoch=fit["best_epoch"],
        losses=line_chart(losses),
        validation=line_chart({"validation": validation}) if validation else None,
    )


def _metrics_tables(view: RunView, models: tuple[Model, ...]) -> tuple[MetricsTable, ...]:
    rows = _offline_rows(view, models)
    families = {(model.task, model.family) for model in models}
    return tuple(
        _metrics_table(
            rows.filter((pl.col("training_task") == task) & (pl.col("split") == split)),
            task,
            split,
            {family for of_task, family in families if of_task == task},
        )
        for split in _OFFLINE_SPLITS
        for task in sorted(set(rows.filter(pl.col("split") == split)["training_task"]))
    )


def _offline_rows(view: RunView, models: tuple[Model, ...]) -> pl.DataFrame:
    """Metrics of the run's day; for a reused model those of the newest day that evaluated it."""
    today = view.rows(RUN_QUALITY).filter(pl.col("split") != NEXT_DAY)
    if not today.is_empty():
        return today
    versions = [model.version for model in models]
    earlier = view.rows_of_all_days(SCORE_EVALUATION).filter(
        pl.col("as_of_date") <= view.night.as_of
    )
    days = earlier.filter(pl.col("model_version").is_in(versions))["as_of_date"]
    return earlier.filter(pl.col("as_of_date") == days.max()) if len(days) else earlier.clear()


def _metrics_table(rows: pl.DataFrame, task: str, split: str, families: set[str]) -> MetricsTable:
    measured = set(rows["metric"])
    metrics = tuple(name for name in METRICS if name in measured)
    metrics += tuple(sorted(measured - set(METRICS)))
    values = {
        (subject, metric): value
        for subject, metric, value in rows.select("subject", "metric", "value").rows()
    }
    subjects = [
        SubjectMetrics(
            name, name in families, tuple(values.get((name, metric)) for metric in metrics)
        )
        for name in set(rows["subject"])
    ]
    subjects.sort(key=_order)
    others = [row for row in subjects if not row.is_model_of_run and row.values[0] is not None]
    return MetricsTable(
        task=task,
        split=split,
        measured_as_of=rows["as_of_date"][0],
        n_units=int(rows.select(pl.col("n_units").max()).item()),
        metrics=metrics,
        subjects=tuple(subjects),
        baseline=others[-1] if others else None,
    )


def _order(row: SubjectMetrics) -> tuple[bool, float, str]:
    """The run's model first, then by the first metric, the best before the others."""
    first = row.values[0]
    return (not row.is_model_of_run, math.inf if first is None else -first, row.subject)


def _next_day(view: RunView) -> tuple[NextDayRate, ...]:
    rows = view.rows_of_all_days(RUN_QUALITY).filter(
        (pl.col("split") == NEXT_DAY) & (pl.col("as_of_date") <= view.night.as_of)
    )
    rates = []
    for row in rows.filter(pl.col("as_of_date") == view.night.as_of).iter_rows(named=True):
        is_same = (pl.col("subject") == row["subject"]) & (pl.col("metric") == row["metric"])
        days = rows.filter(is_same).sort("as_of_date").select("as_of_date", "value").rows()
        points = [((day - view.night.as_of).days, value) for day, value in days]
        history = line_chart({row["metric"]: points}) if len(points) > 1 else None
        rates.append(
            NextDayRate(row["subject"], row["metric"], row["value"], row["n_units"], history)
        )
    return tuple(sorted(rates, key=lambda rate: (rate.subject, rate.metric)))
