"""The only Spark reader and writer of Delta tables: reads as of a day, replaces slices.

Every write also computes the content hash of its rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date
from typing import TYPE_CHECKING

from feature_store.contract import ContractError, RuleBroken, Table, Time
from feature_store.lake.arrow_io import Written
from feature_store.lake.commits import USER_METADATA, marked, own_commit
from feature_store.lake.content_hash import observe_fingerprint, observed_fingerprint
from feature_store.lake.delta_tables import (
    ensure_table,
    exists,
    open_table,
    table_uri,
)
from feature_store.lake.lease import writer_lease

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


_PROCESSED = "evensong.processed_until"
_COLUMNS_THAT_MAY_NAME_A_PERSON = ("node_id", "reason_subject", "original_text", "source_file")
_REPLACES_DATA = "spark.databricks.delta.replaceWhere.dataColumns.enabled"


def read(
    spark: SparkSession,
    lake: str,
    table: Table,
    *,
    as_of: date | None = None,
    version: int | None = None,
) -> DataFrame:
    """One AS_OF slice, or the newest row of each entity known by `as_of`.

    Raises:
        TableMissing: there is no such table, or not that version.
    """
    since = as_of if table.time is Time.AS_OF else None
    rows = read_history(spark, lake, table, since=since, until=as_of, version=version)
    if as_of is None or table.time in {Time.NONE, Time.AS_OF}:
        return rows
    return _newest_per_entity(rows, table) if table.entity else rows


def read_history(
    spark: SparkSession,
    lake: str,
    table: Table,
    *,
    since: date | None = None,
    until: date | None = None,
    version: int | None = None,
) -> DataFrame:
    """Every row from day `since` to day `until`, both included, with older rows of an entity.

    Raises:
        TableMissing: there is no such table, or not that version.
    """
    # Vacuum may have deleted an old version's files of other days, so only these days are listed.
    files = open_table(lake, table, version).file_uris(
        file_pruning_predicate=_day_range(table, since, until)
    )
    if not files:
        return spark.createDataFrame([], table.spark_schema())
    # Our tables have no reader features, so the Parquet files in the log hold exactly the rows of
    # the version. Spark's own Delta reader would run a job a scan to list the same files.
    rows = (
        spark.read.schema(table.spark_schema())
        .option("basePath", _spark_uri(table_uri(lake, table)))
        .parquet(*[_spark_uri(_plain(file, lake, table)) for file in files])
        .select(*table.column_names)
    )
    if table.time is Time.NONE:
        return rows
    day = rows[table.time.column]
    if since is not None:
        rows = rows.where(day >= since)
    return rows.where(day <= until) if until is not None else rows


def newest_day(lake: str, table: Table) -> date | None:
    """The newest day that has a row; None for a table that is missing or empty.

    Reads the statistics in the table's log and opens no data file.
    """
    import polars as pl

    if not exists(lake, table):
        return None
    files = pl.DataFrame(open_table(lake, table).get_add_actions(flatten=True))
    column = table.time.column
    name = f"partition.{column}" if column in table.partition_columns else f"max.{column}"
    newest = files[name].max() if name in files.columns else None
    return date.fromisoformat(str(newest)) if newest is not None else None


def processed_until(lake: str, table: Table) -> date | None:
    """The last day that a write covered, with rows or without; None before the first write.

    What was processed is not what came of it: a table of rejects may have no row for years. Writes
    keep the day as Delta keeps the progress of an application: in the log, in the commit itself.
    """
    if not exists(lake, table):
        return None
    recorded = open_table(lake, table).transaction_version(_PROCESSED)
    if recorded is None:  # written before the day was recorded
        return newest_day(lake, table)
    return date.fromordinal(recorded)


@contextmanager
def exclusive_write(spark: SparkSession, lake: str, table: Table) -> Iterator[Callable[[], None]]:
    """Hold the table's lease while a job reads what is there, computes and commits.

    Yields a function that raises LeaseLost once another writer may hold the table.

    Without the lease, two nights would both find the same content missing and both add it. The
    Spark job that a killed writer left in a shared Java is cancelled: it would still commit.

    Raises:
        LeaseTaken: another writer holds the table.
    """
    with writer_lease(lake, table.name) as check_lease:
        group = f"{lake} {table.name}"
        context = spark.sparkContext
        context.cancelJobGroup(group)
        context.setJobGroup(group, f"writes {table.name}")
        yield check_lease


def write(
    frame: DataFrame,
    lake: str,
    table: Table,
    *,
    first: date | None = None,
    end: date | None = None,
    commit_note: str = "",
    before_commit: Callable[[], None] | None = None,
    check_lease: Callable[[], None] | None = None,
) -> Written:
    """Replace the days [first, end) of a table in one commit, or append to a timeless table.

    Callers with concurrent writers wrap this in `exclusive_write`. The result names the version of
    this commit, found by its mark, and not the newest version.

    Args:
        frame: rows in any order of columns.
        lake: address of the lake.
        table: contract of the table.
        first: first day that is replaced.
        end: the day after the last.
        commit_note: the run that writes, for DESCRIBE HISTORY.
        before_commit: called just before the write; an exception that it raises stops the write.
        check_lease: what `exclusive_write` yields; called before the write and after the commit.

    Raises:
        ContractError: the frame's columns or types are not the contract's, or a row lies outside
        the days.
        RuleBroken: a row breaks NOT NULL or a rule of the contract; names table and rule.
        LeaseLost, CommitLost: another writer may have replaced this commit; says what is there.
    """
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException
    from pyspark.sql import Observation

    observation = Observation(f"fingerprint of {table.name}")
    observed = observe_fingerprint(_in_contract_order(frame, table), table, observation)
    for check in (before_commit, check_lease):
        if check is not None:
            check()
    _allow_nulls(frame.sparkSession, lake, table)
    before, note = open_table(lake, table).version(), marked(commit_note)
    writer = observed.write.format("delta").mode("append").option(USER_METADATA, note)
    if table.time is not Time.NONE:
        writer = writer.mode("overwrite").option("replaceWhere", _replaced_days(table, first, end))
        writer = writer.options(**_progress(lake, table, end))
    try:
        with _whole_partitions(frame.sparkSession, table):
            writer.save(_spark_uri(table_uri(lake, table)))
    except (Py4JError, PySparkException) as error:
        raise _translated(table, error) from None  # Java's message may hold a listener's id
    row_count, content_sha256 = observed_fingerprint(observation)
    commit = own_commit(
        lake, table, note, after=before, check_lease=check_lease, may_be_none=not row_count
    )
    return Written(
        table_name=table.name,
        table_version=commit.version,
        row_count=row_count,
        added_bytes=int(commit.metrics.get("numOutputBytes", 0)),
        content_sha256=content_sha256,
    )


def _allow_nulls(spark: SparkSession, lake: str, table: Table) -> None:
    """Let an earlier table take null where its contract does now; delta-rs cannot change that."""
    opened = ensure_table(lake, table)
    required = {field.name for field in opened.schema().fields if not field.nullable}
    for column in table.columns:
        if column.is_nullable and column.name in required:
            spark.sql(
                f"ALTER TABLE delta.`{_spark_uri(table_uri(lake, table))}` "
                f"ALTER COLUMN {column.name} DROP NOT NULL"
            )


@contextmanager
def _whole_partitions(spark: SparkSession, table: Table) -> Iterator[None]:
    """Let Delta replace days that are partitions as a whole.

    Otherwise it runs a DELETE, which begins with a Spark job that counts all files of the table.
    """
    if table.time.column not in table.partition_columns:
        yield
        return
    from py4j.protocol import Py4JError

    spark.conf.set(_REPLACES_DATA, "false")
    try:
        yield
    except BaseException:
        with suppress(Py4JError, OSError):  # Java has died: the first error says more
            spark.conf.unset(_REPLACES_DATA)
        raise
    spark.conf.unset(_REPLACES_DATA)


def _progress(lake: str, table: Table, end: date | None) -> dict[str, str]:
    """Options that record the last day before `end`, unless a later one is recorded.

    Delta leaves out a write whose version is not above the recorded one.
    """
    last = end.toordinal() - 1 if end is not None else 0
    recorded = open_table(lake, table).transaction_version(_PROCESSED)
    if recorded is not None and last <= recorded:
        return {}
    return {"txnAppId": _PROCESSED, "txnVersion": str(last)}


def _day_range(table: Table, since: date | None, until: date | None) -> str | None:
    """Predicate that prunes files by day; None for all days."""
    day = table.time.column
    bounds = [f"{day} >= '{since:%Y-%m-%d}'"] if since is not None else []
    bounds += [f"{day} <= '{until:%Y-%m-%d}'"] if until is not None else []
    return " AND ".join(bounds) if bounds and table.time is not Time.NONE else None


def _spark_uri(address: str) -> str:
    """The address as Spark takes it: Hadoop calls S3 s3a."""
    return address.replace("s3://", "s3a://", 1)


def _plain(file: str, lake: str, table: Table) -> str:
    """A file of the table below the table's own address, whose blanks delta-rs percent-encodes."""
    marker = f"/{table.name}/"
    return f"{table_uri(lake, table).rstrip('/')}/{file[file.rindex(marker) + len(marker) :]}"


def _newest_per_entity(rows: DataFrame, table: Table) -> DataFrame:
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
    mismatched = [
        f"{field.name} is {field.dataType.simpleString()}, not "
        f"{declared[field.name].simpleString()}"
        for field in frame.schema.fields
        if field.dataType.simpleString() != declared[field.name].simpleString()
    ]
    if mismatched:
        raise ContractError(f"{table.name}: {'; '.join(mismatched)}; cast in build()")
    return frame.select(*table.column_names)


def _replaced_days(table: Table, first: date | None, end: date | None) -> str:
    if first is None or end is None or end <= first:
        raise ContractError(
            f"{table.name}: a write replaces the days [first, end); got [{first}, {end})"
        )
    day = table.time.column
    return f"{day} >= DATE'{first:%Y-%m-%d}' AND {day} < DATE'{end:%Y-%m-%d}'"


def _translated(table: Table, error: Exception) -> Exception:
    """RuleBroken without the JVM's stack when rows break a constraint; else the error itself.

    Values of columns that may name a person are left out: the message reaches logs and alerts.
    """
    found = re.search(
        r"\[(DELTA_VIOLATE_CONSTRAINT\w*|DELTA_NOT_NULL_CONSTRAINT\w*|DELTA_REPLACE_WHERE_MISMATCH)\]"
        r"(.*?)(?:\n\s+at |\Z)",
        str(error),
        re.DOTALL,
    )
    if not found:
        return error
    hidden = "|".join([*table.person_columns, *_COLUMNS_THAT_MAY_NAME_A_PERSON])
    broken = " ".join(
        re.sub(rf"(?m)^(\s*- (?:{hidden})) : .*$", r"\1 : ‹hidden›", found[2]).split()
    )
    return RuleBroken(
        f"{table.name}: {broken}; nothing was written, earlier rows stay; correct the job or the "
        "rows it reads"
    )
