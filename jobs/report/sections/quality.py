"""How the model was trained, and how good it and its rivals are."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import polars as pl

from feature_store.lake.storage import open_storage
from feature_store.tables.runs import RUN_MODELS, RUN_QUALITY
from feature_store.tables.scores import SCORE_CANDIDATES, SCORE_EVALUATION
from jobs.report.charts import LineChart, line_chart

if TYPE_CHECKING:
    from jobs.report.lake import RunView

METRICS = ("recall_at_10", "ndcg_at_10", "mrr", "coverage", "novelty")  # columns in this order
RANKING_METRICS = METRICS[:3]  # those of which more is simply better
RIVALS = ("item_knn", "popularity")  # measured beside every model
NEXT_DAY = "next_day"
_OFFLINE_SPLITS = ("test", "validation")
_HISTORY = "history.json"


@dataclass(frozen=True, slots=True)
class FitCurves:
    """One descent of a model: its named losses and, where it was taken, the validation figure."""

    purpose: str
    n_epochs: int
    best_epoch: int
    losses: LineChart
    validation: LineChart | None


@dataclass(frozen=True, slots=True)
class Model:
    """A model that had a part in the run's lists.

    Attributes:
        is_new: the run trained it; its curves are shown then and only then.
        fits: empty also for a model that is solved in closed form.
    """

    family: str
    version: str
    trained_as_of: date
    is_new: bool
    fits: tuple[FitCurves, ...]


@dataclass(frozen=True, slots=True)
class SubjectMetrics:
    """One row of a metrics table: values in the order of its columns, None where not measured."""

    subject: str
    is_own: bool
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class MetricsTable:
    """Metrics on one split; `reference` is popularity's row, which the others are compared with."""

    split: str
    measured_as_of: date
    n_users: int
    metrics: tuple[str, ...]
    subjects: tuple[SubjectMetrics, ...]
    reference: SubjectMetrics | None

    @property
    def compared(self) -> tuple[str, ...]:
        """Metrics of which "so many times popularity" says something."""
        return tuple(name for name in self.metrics if name in RANKING_METRICS)


@dataclass(frozen=True, slots=True)
class NextDayRate:
    """A share of people who played something published before; history up to the run's day."""

    subject: str
    metric: str
    value: float
    n_users: int
    history: LineChart | None


@dataclass(frozen=True, slots=True)
class Quality:
    """The sections "Training" and "How good it is"."""

    models: tuple[Model, ...]
    tables: tuple[MetricsTable, ...]
    next_day: tuple[NextDayRate, ...]


def quality_of(view: RunView) -> Quality:
    """Models behind the run's lists, offline metrics, and the hit rates of the day."""
    models = _models(view)
    return Quality(models, _metrics_tables(view, models), _next_day(view))


def _models(view: RunView) -> tuple[Model, ...]:
    used = view.rows(SCORE_CANDIDATES, ["family", "model_version"]).unique()
    rows = view.every_row(RUN_MODELS).join(used, on=["family", "model_version"], how="semi")
    return tuple(
        Model(
            family=row["family"],
            version=row["model_version"],
            trained_as_of=row["trained_as_of_date"],
            is_new=row["run_id"] == view.night.run_id,
            fits=_fits(view, row["checkpoint_uri"]) if row["run_id"] == view.night.run_id else (),
        )
        for row in rows.sort("family", "model_version").iter_rows(named=True)
    )


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
    judged = [
        (epoch["number"], epoch["validation"])
        for epoch in epochs
        if epoch["validation"] is not None
    ]
    return FitCurves(
        purpose=purpose,
        n_epochs=len(epochs),
        best_epoch=fit["best_epoch"],
        losses=line_chart(losses),
        validation=line_chart({"validation": judged}) if judged else None,
    )


def _metrics_tables(view: RunView, models: tuple[Model, ...]) -> tuple[MetricsTable, ...]:
    measured = _offline(view, models)
    own = {model.family for model in models}
    return tuple(
        _metrics_table(measured.filter(pl.col("split") == split), split, own)
        for split in _OFFLINE_SPLITS
        if not measured.filter(pl.col("split") == split).is_empty()
    )


def _offline(view: RunView, models: tuple[Model, ...]) -> pl.DataFrame:
    """Rows of the day; for a model that was reused, those of the newest day that measured it."""
    today = view.rows(RUN_QUALITY).filter(pl.col("split") != NEXT_DAY)
    if not today.is_empty():
        return today
    versions = [model.version for model in models]
    before = view.every_row(SCORE_EVALUATION).filter(pl.col("as_of_date") <= view.night.as_of)
    days = before.filter(pl.col("model_version").is_in(versions))["as_of_date"]
    return before.filter(pl.col("as_of_date") == days.max()) if len(days) else before.clear()


def _metrics_table(rows: pl.DataFrame, split: str, own: set[str]) -> MetricsTable:
    found = set(rows["metric"])
    metrics = tuple(name for name in METRICS if name in found)
    metrics += tuple(sorted(found - set(METRICS)))
    values = {
        (subject, metric): value
        for subject, metric, value in rows.select("subject", "metric", "value").rows()
    }
    subjects = tuple(
        SubjectMetrics(name, name in own, tuple(values.get((name, metric)) for metric in metrics))
        for name in sorted(set(rows["subject"]), key=lambda name: _order(name, own))
    )
    return MetricsTable(
        split=split,
        measured_as_of=rows["as_of_date"][0],
        n_users=int(rows.select(pl.col("n_users").max()).item()),
        metrics=metrics,
        subjects=subjects,
        reference=next((found for found in subjects if found.subject == RIVALS[-1]), None),
    )


def _order(subject: str, own: set[str]) -> tuple[int, str]:
    """The run's own models first, popularity last."""
    if subject in own:
        return (0, subject)
    return (2 + RIVALS.index(subject), subject) if subject in RIVALS else (1, subject)


def _next_day(view: RunView) -> tuple[NextDayRate, ...]:
    known = view.every_row(RUN_QUALITY).filter(
        (pl.col("split") == NEXT_DAY) & (pl.col("as_of_date") <= view.night.as_of)
    )
    rates = []
    for row in known.filter(pl.col("as_of_date") == view.night.as_of).iter_rows(named=True):
        same = (pl.col("subject") == row["subject"]) & (pl.col("metric") == row["metric"])
        days = known.filter(same).sort("as_of_date").select("as_of_date", "value").rows()
        points = [((day - view.night.as_of).days, value) for day, value in days]
        history = line_chart({row["metric"]: points}) if len(points) > 1 else None
        rates.append(
            NextDayRate(row["subject"], row["metric"], row["value"], row["n_users"], history)
        )
    return tuple(sorted(rates, key=lambda rate: (rate.subject, rate.metric)))
