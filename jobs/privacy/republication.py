"""The event that shows readers the rewritten versions of the published tables after an erasure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from feature_store.lake import spark_io
from feature_store.lake.content_hash import spark_fingerprint
from feature_store.privacy.republish import republish_tables
from feature_store.privacy.table_eraser import PinnedSlice
from feature_store.publishing.snapshot import Pin
from feature_store.spark.session import make_spark

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from pyspark.sql import SparkSession

    from feature_store.contract import Table
    from feature_store.privacy.batch import Batch
    from feature_store.privacy.table_eraser import TableErasure
    from feature_store.publishing.snapshot import Event
    from feature_store.settings import Settings


def publish_erasure(
    batch: Batch,
    current: Event,
    erasures: Mapping[Table, TableErasure],
    spark: SparkSession | None,
    now: datetime,
) -> None:
    """Append one event for the batch, and note its number in each request.

    Args:
        batch: the requests.
        current: the event that was current when the tables were rewritten.
        erasures: of the published tables with personal data.
        spark: a session, if one runs; made when rows of a published slice have changed.
        now: the event's time.

    Raises:
        CurrentMoved: another run was published since.
    """
    pins = {
        table.name: _pin(batch.settings, table, erasure, current, spark)
        for table, erasure in erasures.items()
    }
    event = republish_tables(
        batch.settings.lake,
        current,
        pins,
        request_ids=batch.request_ids,
        actors={request.actor for request in batch.requests},
        now=now,
    )
    batch.save_event_number(event.event_number)


def slice_of(event: Event | None, table: Table) -> PinnedSlice | None:
    """What readers see of a table; None of one that the event does not pin."""
    versions = pinned_versions(event, table)
    return PinnedSlice(versions[0], event.as_of) if event is not None and versions else None


def pinned_versions(event: Event | None, table: Table) -> list[int]:
    """The version of a table that an event pins, if it pins one."""
    return [pin.table_version for pin in _pins_of(event, table)]


def _pins_of(event: Event | None, table: Table) -> list[Pin]:
    return [pin for pin in (event.tables if event else ()) if pin.table_name == table.name]


def _pin(
    settings: Settings,
    table: Table,
    erasure: TableErasure,
    current: Event,
    spark: SparkSession | None,
) -> Pin:
    """The pin of the rewritten version; rows that stayed as they were keep their hash."""
    if not erasure.is_slice_changed:
        [pinned] = _pins_of(current, table)
        return replace(pinned, table_version=erasure.version)
    rows = spark_io.read(
        spark or make_spark(settings),
        settings.lake,
        table,
        as_of=current.as_of,
        version=erasure.version,
    )
    return Pin(table.name, erasure.version, *spark_fingerprint(rows, table))
