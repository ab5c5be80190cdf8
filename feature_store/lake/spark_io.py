"""The only Spark + Delta reader and writer: as-of reads, slices replaced in one commit.

A hash of the rows rides along with every write.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING

from feature_store.contract import ContractError, Table, Time
from feature_store.lake.arrow_io import Written
from feature_store.lake.delta_tables import ensure_table, exists, open_table, table_uri
from feature_store.lake.lease import writer_lease

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, Observation, SparkSession

_ROW_HASH = "_row_hash"
_HASH_PARTS = 4
_HEX_DIGITS_A_PART = 15  # 60 bits: fits a signed 64-bit integer, and sums of them a DECIMAL(38, 0)


class RuleBroken(ContractError):
    """A row breaks a rule that the contract made a constraint of the table; nothing was written."""


def read(
    spark: SparkSession,
    lake: str,
    table: Table,
    *,
    as_of: date | None = None,
    version: int | None = None,
) -> DataFrame:
    """One AS_OF slice, or everything known by `as_of` with the newest row of each entity.

    Raises:
        TableMissing: there is no such table, or not that version.
    """
    since = as_of if table.time is Time.AS_OF else None
    rows = read_history(spark, lake, table, since=since, until=as_of, version=version)
    if as_of is None or table.time in {Time.NONE, Time.AS_OF}:
        return rows
    return _newest_of_each_entity(rows, table) if table.entity else rows


def read_history(
    spark: SparkSession,
    lake: str,
    table: Table,
    *,
    since: date | None = None,
    until: date | None = None,
    version: int | None = None,
) -> DataFrame:
    """Every row of the days `since` to `until`, both included, older versions of an entity too.

    Raises:
        TableMissing: there is no such table, or not that version.
    """
    # Files of other days may be gone from an old version by now; nobody needs them for this one.
    files = open_table(lake, table, version).file_uris(
        file_pruning_predicate=_between(table, since, until)
    )
    if not files:
        return spark.createDataFrame([], table.spark_schema())
    # The log says which files make the version, and our tables have no reader features: their rows
    # are those of the Parquet files. Spark's own Delta reader runs a job a scan to find that out.
    rows = (
        spark.read.schema(table.spark_schema())
        .option("basePath", _spark_uri(table_uri(lake, table)))
        .parquet(*[_spark_uri(file) for file in files])
        .select(*table.column_names)
    )
    if table.time is Time.NONE:
        return rows
    day = rows[table.time.column]
    if since is not None:
        rows = rows.where(day >= since)
    return rows.where(day <= until) if until is not None else rows


def _between(table: Table, since: date | None, until: date | None) -> str | None:
    """The days as a condition that Delta's log can judge; None for all of them."""
    day = table.time.column
    bounds = [f"{day} >= '{since:%Y-%m-%d}'"] if since is not None else []
    bounds += [f"{day} <= '{until:%Y-%m-%d}'"] if until is not None else []
    return " AND ".join(bounds) if bounds and table.time is not Time.NONE else None


def newest_day(lake: str, table: Table) -> date | None:
    """The newest day that has a row; None for a table that is missing or empty.

    From the statistics in the table's log: no data file is opened.
    """
    import polars as pl

    if not exists(lake, table):
        return None
    files = pl.DataFrame(open_table(lake, table).get_add_actions(flatten=True))
    column = table.time.column
    name = f"partition.{column}" if column in table.partition_columns else f"max.{column}"
    newest = files[name].max() if name in files.columns else None
    return date.fromisoformat(str(newest)) if newest is not None else None


@contextmanager
def only_writer(spark: SparkSession, lake: str, table: Table) -> Iterator[Callable[[], None]]:
    """Hold a table from the first look at what it has to the commit of what it lacks.

    Gives what raises LeaseLost once the table is not held any more.

    Two nights that looked before either wrote would both add the content that they found missing.
    What a killed writer left running in a shared Java is stopped: its process is gone, its Spark
    job would end, and commit.

    Raises:
        LeaseTaken: another writer keeps the table.
    """
    with writer_lease(lake, table.name) as refuse_lost:
        group = f"{lake} {table.name}"
        context = spark.sparkContext
        context.cancelJobGroup(group)
        context.setJobGroup(group, f"writes {table.name}")
        yield refuse_lost


def write(
    frame: DataFrame,
    lake: str,
    table: Table,
    *,
    first: date | None = None,
    end: date | None = None,
    before_commit: Callable[[], None] | None = None,
) -> Written:
    """Replace the days [first, end) of a table, or add to a timeless one, in one commit.

    Whoever may have company calls this as the `only_writer`.

    Args:
        frame: rows in any order of columns.
        lake: where.
        table: the contract.
        first: first day that is replaced.
        end: the day after the last.
        before_commit: called just before the write; what it raises stops it.

    Raises:
        ContractError: the frame's columns or types are not the contract's, or a row lies outside
        the days.
        RuleBroken: a row breaks NOT NULL or a rule of the contract; names table, rule and values.
    """
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException
    from pyspark.sql import Observation

    observation = Observation(f"fingerprint of {table.name}")
    observed = _observe(_in_contract_order(frame, table), table, observation)
    if before_commit is not None:
        before_commit()
    ensure_table(lake, table)
    writer = observed.write.format("delta").mode("append")
    if table.time is not Time.NONE:
        writer = writer.mode("overwrite").option("replaceWhere", _days(table, first, end))
    try:
        writer.save(_spark_uri(table_uri(lake, table)))
    except (Py4JError, PySparkException) as error:
        raise _explained(table, error) from error
    return _written(lake, table, observation)


def _spark_uri(address: str) -> str:
    """As Spark takes it: Hadoop knows S3 as s3a."""
    return address.replace("s3://", "s3a://", 1)


def fingerprint(frame: DataFrame, table: Table) -> tuple[int, str]:
    """Rows, and the hash of their content columns whatever their order."""
    totals = _hashed(frame, table).agg(*_totals()).first()
    if totals is None:  # an aggregate without groups always has its one row
        raise AssertionError
    return totals["row_count"], _digest(totals.asDict())


def _newest_of_each_entity(rows: DataFrame, table: Table) -> DataFrame:
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    newest_first = Window.partitionBy(*table.entity).orderBy(F.col(table.time.column).desc())
    return (
        rows.withColumn("_newest", F.row_number().over(newest_first))
        .where(F.col("_newest") == 1)
        .drop("_newest")
    )


def _in_contract_order(frame: DataFrame, table: Table) -> DataFrame:
    if sorted(frame.columns) != sorted(table.column_names):
        raise ContractError(
            f"{table.name}: the job gave columns {sorted(frame.columns)}, the contract has "
            f"{sorted(table.column_names)}; end build() with a select in contract order"
        )
    declared = {field.name: field.dataType for field in table.spark_schema().fields}
    wrong = [
        f"{field.name} is {field.dataType.simpleString()}, not "
        f"{declared[field.name].simpleString()}"
        for field in frame.schema.fields
        if field.dataType.simpleString() != declared[field.name].simpleString()
    ]
    if wrong:
        raise ContractError(f"{table.name}: {'; '.join(wrong)}; cast in build()")
    return frame.select(*table.column_names)


def _observe(frame: DataFrame, table: Table, observation: Observation) -> DataFrame:
    return _hashed(frame, table).observe(observation, *_totals()).drop(_ROW_HASH)


def _hashed(frame: DataFrame, table: Table) -> DataFrame:
    """`frame` and a SHA-256 of each row's content."""
    from pyspark.sql import functions as F

    content = F.struct(*[frame[name] for name in table.content_columns])
    as_json = F.to_json(content, {"ignoreNullFields": "false"})
    return frame.withColumn(_ROW_HASH, F.sha2(as_json, 256))


def _totals() -> Sequence[Column]:
    """Row count and sums of parts of the rows' hashes: integers, whatever the order."""
    from pyspark.sql import functions as F

    starts = range(1, 1 + _HASH_PARTS * _HEX_DIGITS_A_PART, _HEX_DIGITS_A_PART)
    parts = [
        F.sum(
            F.conv(F.substring(_ROW_HASH, start, _HEX_DIGITS_A_PART), 16, 10).cast("decimal(20,0)")
        ).alias(f"part_{number}")
        for number, start in enumerate(starts)
    ]
    return [F.count(F.lit(1)).alias("row_count"), *parts]


def _digest(totals: dict[str, object]) -> str:
    parts = [str(totals[f"part_{part}"] or 0) for part in range(_HASH_PARTS)]
    return hashlib.sha256(":".join([str(totals["row_count"]), *parts]).encode()).hexdigest()


def _days(table: Table, first: date | None, end: date | None) -> str:
    if first is None or end is None or end <= first:
        raise ContractError(
            f"{table.name}: a write replaces the days [first, end); got [{first}, {end})"
        )
    day = table.time.column
    return f"{day} >= DATE'{first:%Y-%m-%d}' AND {day} < DATE'{end:%Y-%m-%d}'"


def _explained(table: Table, error: Exception) -> Exception:
    """Delta's message without the JVM's stack, when it is about the rows.

    The error itself otherwise.
    """
    found = re.search(
        r"\[(DELTA_VIOLATE_CONSTRAINT\w*|DELTA_NOT_NULL_CONSTRAINT\w*|DELTA_REPLACE_WHERE_MISMATCH)\]"
        r"(.*?)(?:\n\s+at |\Z)",
        str(error),
        re.DOTALL,
    )
    if not found:
        return error
    what = " ".join(found[2].split())
    return RuleBroken(
        f"{table.name}: {what}; nothing was written, earlier rows stay; correct the job or the "
        "rows it reads"
    )


def _written(lake: str, table: Table, observation: Observation) -> Written:
    opened = open_table(lake, table)
    metrics = opened.history(1)[0].get("operationMetrics", {})
    totals = observation.get
    return Written(
        table_name=table.name,
        table_version=opened.version(),
        row_count=int(totals["row_count"]),
        added_bytes=int(metrics.get("numOutputBytes", 0)),
        content_sha256=_digest(totals),
    )
