"""Run one Spark job: read its inputs as of the night, build, write the slice, record the run.

    python -m jobs.run feat_audio --as-of 2026-03-01

The only entry point of Spark jobs: the DAG calls `run_job`, and spark-submit runs this file.
"""

from __future__ import annotations

import time
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
from jobs.raw.steps.reading import read_landing
from jobs.registry import job_called

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

LOG = structlog.get_logger()


def run_job(name: str, night: Night, spark: SparkSession | None = None) -> Written:
    """Compute and write the table `name` for one night.

    Raises:
        ContractError: there is no such job, or its rows contradict the contract.
        TableMissing: an input has not been written yet.
        DayAhead: the night's day is later than tomorrow.
        ErasedDuringRun: a person was erased after the inputs had been read.
        LeaseTaken: another run is writing the table.
        LeaseLost, CommitLost: another run may have replaced what this one wrote.
    """
    started_at_s = time.monotonic()
    job = job_called(name)
    session = spark or make_spark(night.settings)
    lake = night.settings.lake
    check_no_erasure = erasure_guard(lake)

    with run_events(night, [name], partial(datetime.now, UTC)):
        with spark_io.exclusive_write(session, lake, job.output) as check_lease:
            days = days_to_compute(job.output, night)
            ensure_table(lake, job.output)
            inputs = versions_of(
                lake, [item.table for item in job.inputs if not isinstance(item, LandingSource)]
            )
            frames = [_read(session, job_input, days, night) for job_input in job.inputs]
            built = job.build(*frames, night=night)
            written = spark_io.write(
                built,
                lake,
                job.output,
                first=days.first,
                end=days.end,
                commit_note=night.run_id,
                before_commit=check_no_erasure,
                check_lease=check_lease,
            )
        elapsed_s = time.monotonic() - started_at_s
        record_task(night, written, inputs, elapsed_s=elapsed_s, now=datetime.now(UTC))
    LOG.info(
        "wrote",
        table=name,
        as_of=night.as_of.isoformat(),
        rows=written.row_count,
        version=written.table_version,
        seconds=round(elapsed_s, 1),
    )
    return written


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
