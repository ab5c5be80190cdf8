"""The slices that a night has staged: read back, compared with what it computed, and validated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from feature_store.contract import Table
from feature_store.lake import spark_io
from feature_store.lake.arrow_io import read_table
from feature_store.lake.content_hash import fingerprint_and_counts
from feature_store.privacy.table_rewrite import check_not_rewritten
from feature_store.publishing.contract_suites import (
    repeated_keys,
    rule_counts,
    validate_contract,
)
from feature_store.publishing.snapshot import Pin
from feature_store.publishing.validation import Validation
from feature_store.settings import Night
from feature_store.tables import PUBLISHED_TABLES
from feature_store.tables.runs import RUN_METRICS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


class ReadBackMismatch(RuntimeError):
    """The stored rows differ from the rows that the run computed."""


@dataclass(frozen=True, slots=True)
class StagedSlice:
    """A staged slice as it was read back: its pin, and the result of its contract's suite."""

    pin: Pin
    validation: Validation


def verify_staged_slices(spark: SparkSession, night: Night) -> tuple[StagedSlice, ...]:
    """Read every staged slice back, pin the version that holds what the run computed, validate it.

    Raises:
        ReadBackMismatch: a slice was not written by this run, or differs from what it computed.
        ErasedDuringRun: the staged version holds a person who was erased since.
    """
    pins = dict(zip(PUBLISHED_TABLES, staged_pins(night), strict=True))
    slices, counts = {}, {}
    for table, staged in pins.items():
        check_not_rewritten(night.settings.lake, table, staged.table_version)
        slices[table] = spark_io.read(
            spark, night.settings.lake, table, as_of=night.as_of, version=staged.table_version
        )
        counts[table] = _read_back(slices[table], table, staged)
    repeated = repeated_keys(slices)
    return tuple(
        StagedSlice(pins[table], validate_contract(table, counts[table], repeated[table.name]))
        for table in PUBLISHED_TABLES
    )


def staged_pins(night: Night) -> tuple[Pin, ...]:
    """The run's newest write of each published table, in the order of PUBLISHED_TABLES.

    Raises:
        ReadBackMismatch: the run has not written a table.
    """
    return tuple(_newest_write(night, table) for table in PUBLISHED_TABLES)


def _read_back(rows: DataFrame, table: Table, staged: Pin) -> dict[str, int]:
    """Compare a slice with what the run computed; returns the rows that break each rule."""
    row_count, content_sha256, counts = fingerprint_and_counts(rows, table, rule_counts(table))
    if (row_count, content_sha256) != (staged.row_count, staged.content_sha256):
        raise ReadBackMismatch(
            f"{table.name} v{staged.table_version}: {row_count} rows with hash "
            f"{content_sha256[:12]} "
            f"were read back, {staged.row_count} with {staged.content_sha256[:12]} were computed; "
            "nothing was published; clear the task that writes the table"
        )
    return counts


def _newest_write(night: Night, table: Table) -> Pin:
    rows = read_table(night.settings.lake, RUN_METRICS, as_of=night.as_of).to_pylist()
    mine = [row for row in rows if row["run_id"] == night.run_id and row["task"] == table.name]
    if not mine:
        raise ReadBackMismatch(
            f"{table.name}: run {night.run_id} has not written its slice of {night.as_of}; "
            "clear the task that writes the table"
        )
    newest = max(mine, key=lambda row: row["recorded_at_utc"])
    return Pin(table.name, newest["table_version"], newest["row_count"], newest["content_sha256"])
