"""Run one Spark job: read its inputs as of the night, build, write the slice, record the run.

    python -m jobs.run feat_audio --as-of 2026-03-01

The only entry point of Spark jobs: the DAG calls `run_job`, and spark-submit runs this file.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated

import structlog
import typer

from feature_store.contract import Table, Time
from feature_store.lake import spark_io
from feature_store.lake.arrow_io import Written
from feature_store.lake.delta_tables import ensure_table, exists
from feature_store.privacy.suppression import erasure_guard
from feature_store.publishing.snapshot import snapshot_before
from feature_store.runs.lineage import run_events, versions_of
from feature_store.runs.run_log import record_task
from feature_store.settings import Night, load_settings
from feature_store.spark.session import make_spark
from feature_store.terminal import run_command
from jobs.inputs import (
    AsOf,
    History,
    Input,
    LandingSource,
    NewRows,
    PreviousState,
    PublishedTable,
    Slice,
    WholeTable,
)
from jobs.landing.manifests import first_closed_day
from jobs.portions import portions
from jobs.raw.steps.reading import read_landing
from jobs.registry import job_called

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

LOG = structlog.get_logger()


def run_job(name: str, night: Night, spark: SparkSession | None = None) -> Written:
    """Compute and write the tables of the job `name` for one night; gives what its first got.

    Raises:
        ContractError: there is no such job, or its rows contradict the contract.
        TableMissing: an input has not been written yet.
        DayAhead: the night's day is later than tomorrow.
        ErasedDuringRun: a person was erased after the inputs had been read.
        LeaseTaken: another run is writing a table.
        LeaseLost, CommitLost: another run may have replaced what this one wrote.
    """
    started_at_s = time.monotonic()
    job = job_called(name)
    session = spark or make_spark(night.settings)
    lake = night.settings.lake
    check_no_erasure = erasure_guard(lake)

    with run_events(night, [table.name for table in job.outputs], partial(datetime.now, UTC)):
        with _exclusive_writes(session, lake, job.outputs) as check_leases:
            days = days_to_compute(job.outputs[0], night)
            for table in job.outputs:
                ensure_table(lake, table)
            inputs = versions_of(
                lake, [item.table for item in job.inputs if not isinstance(item, LandingSource)]
            )
            frames = [_read(session, job_input, days, night) for job_input in job.inputs]
            before_commit = {"before_commit": check_no_erasure, "check_lease": check_leases}
            writes = [
                _write_each(portion, job.outputs, days, night, **before_commit)
                for portion in portions(job, frames, night)
            ]
        written = [Written.combined(of_table) for of_table in zip(*writes, strict=True)]
        elapsed_s = time.monotonic() - started_at_s
        for one in written:
            record_task(night, one, inputs, elapsed_s=elapsed_s, now=datetime.now(UTC))
    for one in written:
        LOG.info(
            "wrote",
            table=one.table_name,
            as_of=night.as_of.isoformat(),
            rows=one.row_count,
            version=one.table_version,
            seconds=round(elapsed_s, 1),
        )
    return written[0]


@contextmanager
def _exclusive_writes(
    spark: SparkSession, lake: str, tables: Sequence[Table]
) -> Iterator[Callable[[], None]]:
    """Hold the leases of all tables, taken in the order of names: two jobs cannot deadlock."""
    with ExitStack() as leases:
        checks = [
            leases.enter_context(spark_io.exclusive_write(spark, lake, table))
            for table in sorted(tables, key=lambda table: table.name)
        ]

        def check_leases() -> None:
            for check in checks:
                check()

        yield check_leases


def _write_each(
    built: DataFrame,
    outputs: Sequence[Table],
    days: Slice,
    night: Night,
    **checks: Callable[[], None],
) -> list[Written]:
    """Write the rows of each output in a commit of its own."""
    with _rows_of_each(built, outputs) as rows:
        return [
            spark_io.write(
                rows[table],
                night.settings.lake,
                table,
                first=days.first,
                end=days.end,
                commit_note=night.run_id,
                **checks,
            )
            for table in outputs
        ]


@contextmanager
def _rows_of_each(
    built: DataFrame, outputs: Sequence[Table]
) -> Iterator[Mapping[Table, DataFrame]]:
    """By output, its rows; those of several outputs are computed once, and kept on disk meanwhile.

    Each commit stands for itself: after a crash between two, the next run computes what is missing.
    """
    if len(outputs) == 1:
        yield {outputs[0]: built}
        return
    from pyspark import StorageLevel

    kept = built.persist(StorageLevel.DISK_ONLY)
    try:
        yield {
            table: kept.where(kept[table.name].isNotNull()).select(f"{table.name}.*")
            for table in outputs
        }
    finally:
        kept.unpersist()


def days_to_compute(table: Table, night: Night) -> Slice:
    """The days after the last processed one up to as_of; as_of alone when that day is processed.

    A first night takes every closed landing day. Other written days stay as they are, so a backfill
    replaces the day of its as_of only. AS_OF and timeless tables always take as_of alone.
    """
    end = night.as_of + timedelta(days=1)
    if table.time in {Time.AS_OF, Time.NONE}:
        return Slice(night.as_of, end)
    processed = spark_io.processed_until(night.settings.lake, table)
    if processed is None:
        return Slice(first_closed_day(night.settings.lake), end)
    return Slice(min(processed + timedelta(days=1), night.as_of), end)


def _read(spark: SparkSession, job_input: Input, days: Slice, night: Night) -> DataFrame:
    lake = night.settings.lake
    match job_input:
        case LandingSource(source):
            return read_landing(spark, lake, source, days)
        case AsOf(table):
            return spark_io.read(spark, lake, table, as_of=night.as_of)
        case History(table):
            return spark_io.read_history(spark, lake, table, until=night.as_of)
        case NewRows(table):
            return spark_io.read_history(spark, lake, table, since=days.first, until=night.as_of)
        case PreviousState(table):
            return spark_io.read(spark, lake, table, as_of=days.first - timedelta(days=1))
        case WholeTable(table):
            return spark_io.read(spark, lake, table)
        case PublishedTable(table):
            return _published(spark, table, night)


def _published(spark: SparkSession, table: Table, night: Night) -> DataFrame:
    """The table as readers saw it before the night's day; no row when nothing was published."""
    snapshot = snapshot_before(night.settings.lake, night.as_of)
    if snapshot is None or not exists(night.settings.lake, table):
        return spark.createDataFrame([], table.spark_schema())
    return spark_io.read(
        spark,
        night.settings.lake,
        table,
        as_of=snapshot.as_of,
        version=snapshot.version_of(table),
    )


def main(
    name: Annotated[str, typer.Argument(help="The table to write, for example feat_audio.")],
    as_of: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Last day covered.")],
    run_id: Annotated[str, typer.Option(help="Run to record it under.")] = "manual",
) -> None:
    """Compute and write one table."""
    run_job(name, Night(date(as_of.year, as_of.month, as_of.day), run_id, load_settings()))


if __name__ == "__main__":
    run_command(partial(typer.run, main))
