"""Deduplication: keep the first or the last received row of each key."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

_Pick = Callable[[Column, Column], Column]
"""min_by or max_by; arguments are the value to take and the order."""


def keep_first_received(rows: DataFrame, by: Sequence[str]) -> DataFrame:
    """The first row of each group: by arrival day, then file name, then row in the file."""
    return _keep_one(rows, by, F.min_by)


def keep_last_received(rows: DataFrame, by: Sequence[str]) -> DataFrame:
    """The last row of each group: by arrival day, then file name, then row in the file."""
    return _keep_one(rows, by, F.max_by)


def keep_last_landed(files: DataFrame, by: Sequence[str]) -> DataFrame:
    """The last file of each group: by arrival day, then in the order of landing, then file name."""
    return _keep_one(files, by, F.max_by, ("arrival_date", "source_row", "source_file"))


def event_id(*parts: Column) -> Column:
    """SHA-256 of the parts as JSON; unlike joined text, different lists of parts never collide."""
    as_json = F.to_json(
        F.struct(*[part.alias(f"part_{number}") for number, part in enumerate(parts)]),
        {"ignoreNullFields": "false"},
    )
    return F.sha2(as_json, 256)


def _keep_one(
    rows: DataFrame,
    by: Sequence[str],
    pick: _Pick,
    order: Sequence[str] = ("arrival_date", "source_file", "source_row"),
) -> DataFrame:
    others = [name for name in rows.columns if name not in by]
    picked = rows.groupBy(*by).agg(pick(F.struct(*others), F.struct(*order)).alias("picked"))
    return picked.select(*by, "picked.*")
