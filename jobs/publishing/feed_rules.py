"""Feed rules: whether each landing source still sends, as much as before, and rows of use.

A night without listens, or one whose listens were all refused, would publish lists as good as
yesterday's, and every day after it too. A source is judged by its own past alone: one that never
sent anything, or sends now and then, breaks no rule.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from functools import reduce
from statistics import median
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from feature_store.lake import spark_io
from feature_store.lake.delta_tables import exists
from feature_store.lake.storage import open_storage
from feature_store.publishing.gates import GateMetric
from feature_store.tables.raw import RAW_REJECTS, WAITING, RejectReason
from jobs.landing.layout import ROW_SOURCES
from jobs.landing.manifests import closed_days, read_manifest
from jobs.publishing.population_rules import ratio
from jobs.raw.steps.rules import SOURCE_CONTRACTS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from pyspark.sql import DataFrame, SparkSession

    from feature_store.settings import Night

_REGULAR_DAYS = 28
_MIN_DAYS = 14
_REGULAR_RATIO = 0.8
"""A source is regular when it sent on so many of the closed days up to its newest file."""

_REMEMBERED_DAYS = 90
"""A source that has been silent for longer is taken for one that was given up."""

_WEEKS = 4
_MIN_WEEKS = 3
_MIN_ROWS = 100
"""Days with fewer rows are not judged: halves of a few rows are chance."""

Counts = dict[str, dict["date", int]]
"""Rows or files, by source and day."""


def feed_metrics(spark: SparkSession, night: Night) -> list[GateMetric]:
    """Of each source: days without arrival, rows against its weekday, rejected rows and files."""
    files = _file_counts(night)
    rows, rejects = _row_counts(spark, night)
    return [
        *_days_without_arrivals(files, night),
        *_row_ratios(rows, night),
        *_reject_ratios(rows, rejects, files, night),
    ]


def _days_without_arrivals(files: Counts, night: Night) -> list[GateMetric]:
    """For each regular source the days since its newest file."""
    metrics = []
    for source, by_day in sorted(files.items()):
        newest = max((day for day, count in by_day.items() if count), default=night.as_of)
        first = newest - timedelta(days=_REGULAR_DAYS)
        judged = [count for day, count in by_day.items() if first < day <= newest]
        n_sent = sum(count > 0 for count in judged)
        if len(judged) < _MIN_DAYS or n_sent < _REGULAR_RATIO * len(judged):
            continue
        metrics.append(
            GateMetric(
                f"days_without_{source}",
                f"raw_{source}",
                (night.as_of - newest).days,
                high=night.settings.gates.max_days_without_arrivals,
            )
        )
    return metrics


def _row_ratios(rows: Counts, night: Night) -> list[GateMetric]:
    """Rows of the day / their median on the same weekday of the four weeks before."""
    metrics = []
    for source, by_day in sorted(rows.items()):
        before = [by_day[day] for day in _same_weekdays(night.as_of) if by_day.get(day)]
        usual = median(before) if len(before) >= _MIN_WEEKS else 0
        if usual >= _MIN_ROWS:
            metrics.append(
                GateMetric(
                    f"weekday_row_ratio_{source}",
                    f"raw_{source}",
                    by_day.get(night.as_of, 0) / usual,
                    low=night.settings.gates.min_weekday_row_ratio,
                )
            )
    return metrics


def _reject_ratios(
    rows: Counts, rejects: Mapping[tuple[str, str], int], files: Counts, night: Night
) -> list[GateMetric]:
    """Of the day's rows those that were rejected; of its files those that were unreadable."""
    highest = night.settings.gates.max_reject_ratio
    metrics = []
    for source in ROW_SOURCES:
        table = f"raw_{source}"
        kept = rows.get(source, {}).get(night.as_of, 0)
        unreadable = rejects.get((table, RejectReason.UNREADABLE_FILE), 0)
        refused = sum(count for (name, _), count in rejects.items() if name == table) - unreadable
        if kept + refused >= _MIN_ROWS:
            metrics.append(
                GateMetric(
                    f"reject_ratio_{source}", table, ratio(refused, kept + refused), high=highest
                )
            )
        if unreadable:
            landed = files.get(source, {}).get(night.as_of, 0)
            metrics.append(
                GateMetric(
                    f"unreadable_file_ratio_{source}",
                    table,
                    ratio(unreadable, landed),
                    high=highest,
                )
            )
    return metrics


def _same_weekdays(as_of: date) -> list[date]:
    return [as_of - timedelta(weeks=week) for week in range(1, _WEEKS + 1)]


def _file_counts(night: Night) -> Counts:
    """Files that count, by source and closed day of the last months, the night's included."""
    storage = open_storage(night.settings.lake)
    first = night.as_of - timedelta(days=_REMEMBERED_DAYS)
    days = [day for day in closed_days(storage) if first <= day <= night.as_of]
    counts: Counts = defaultdict(lambda: dict.fromkeys(days, 0))
    for day in days:
        for file in read_manifest(storage, day).kept_files:
            counts[file.source][day] += 1
    return counts


def _row_counts(spark: SparkSession, night: Night) -> tuple[Counts, dict[tuple[str, str], int]]:
    """Kept rows by source on the night's day and its weekdays; its rejects by table and reason.

    Rows that only wait for their track are kept rows.
    """
    lake, as_of = night.settings.lake, night.as_of
    days = [as_of, *_same_weekdays(as_of)]
    tables = {source: SOURCE_CONTRACTS[source].table for source in ROW_SOURCES}
    counted = [
        _counts(
            spark_io.read_history(spark, lake, table, since=min(days), until=as_of)
            .where(F.col("arrival_date").isin(days))
            .select(F.lit(source).alias("name"), F.lit("").alias("reason"), "arrival_date")
        )
        for source, table in tables.items()
        if exists(lake, table)
    ]
    counted.append(
        _counts(
            spark_io.read_history(spark, lake, RAW_REJECTS, since=as_of, until=as_of)
            .where(~F.col("reject_reason").isin([reason.value for reason in WAITING]))
            .select(
                F.col("table_name").alias("name"),
                F.col("reject_reason").alias("reason"),
                "arrival_date",
            )
        )
    )
    rows: Counts = defaultdict(dict)
    rejects = dict[tuple[str, str], int]()
    for row in reduce(lambda above, below: above.unionByName(below), counted).collect():
        if row["reason"]:
            rejects[row["name"], row["reason"]] = row["count"]
        else:
            rows[row["name"]][row["arrival_date"]] = row["count"]
    return rows, rejects


def _counts(rows: DataFrame) -> DataFrame:
    return rows.groupBy("name", "reason", "arrival_date").count()
