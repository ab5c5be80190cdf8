"""Publication of a night, its last task: verify the staged tables, audit them, switch readers."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from feature_store.lake.arrow_io import exists, read_table
from feature_store.lake.distinct_values import distinct_values
from feature_store.lake.storage import open_storage
from feature_store.privacy.suppression import erasure_guard
from feature_store.publishing.contract_suites import store_validations
from feature_store.publishing.gates import evaluate_gates
from feature_store.publishing.publish import CurrentMoved, Mode, own_publication, publish
from feature_store.publishing.snapshot import (
    Event,
    Pin,
    Snapshot,
    baseline_event,
    current_event,
    events,
)
from feature_store.publishing.staged_slices import staged_pins, verify_staged_slices
from feature_store.runs.lineage import emit_published, run_events
from feature_store.settings import Night
from feature_store.spark.session import make_spark
from feature_store.tables import OUTPUT_COLUMNS, PUBLISHED_TABLES, output_tables
from feature_store.tables.runs import PUBLISHED_RUNS, RUN_METRICS
from jobs.publishing.audit import audit_metrics
from jobs.publishing.table_rules import contract_metrics

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LOG = structlog.get_logger()

MAX_AUDITS = 3
"""An audit takes longer than a publication, so a third conflict means that another run loops."""


def publish_night(
    night: Night, *, mode: Mode, actor: str, now: datetime, spark: SparkSession | None = None
) -> Event:
    """Audit the staged tables and append the night's event to published_runs.

    Gates compare the night with its baseline, what readers saw before its day. If another run is
    published during the audit, the audit runs again and compares with the baseline of then.

    A run whose staged versions are published already gets its event back without an audit: the task
    runs again after its commit.

    Raises:
        ReadBackMismatch: a staged slice differs from what the run computed.
        GateFailed: a rule is broken; a `blocked` event names the rule.
        CurrentMoved: other runs were published during each of MAX_AUDITS audits, or rec_changes
            compares with another baseline than the gates: readers moved after it was computed.
        ErasedDuringRun: a person was erased after the tables had been staged.
    """
    with run_events(night, [PUBLISHED_RUNS.name], lambda: now):
        event = _audit_and_publish(night, mode, actor, now, spark or make_spark(night.settings))
        emit_published(night, event, now)
    LOG.info("published", run_id=event.run_id, event_number=event.event_number, action=event.action)
    return event


def _audit_and_publish(
    night: Night, mode: Mode, actor: str, now: datetime, spark: SparkSession
) -> Event:
    lake = night.settings.lake
    done = own_publication(night, staged_pins(night))
    if done is not None:
        current = current_event(events(lake))
        LOG.info(
            "published before",
            event_number=done.event_number,
            current_event=current and current.event_number,
        )
        return done
    check_no_erasure = erasure_guard(lake)
    staged = verify_staged_slices(spark, night)
    pins = tuple(one.pin for one in staged)
    contracts = contract_metrics(one.validation for one in staged)
    store_validations(
        open_storage(lake), night.as_of, night.run_id, [one.validation for one in staged]
    )
    inputs, model_versions = _inputs(night), _model_versions(night)
    for audits_left in reversed(range(MAX_AUDITS)):
        history = events(lake)
        current, compared = current_event(history), baseline_event(history, night.as_of)
        baseline = Snapshot(lake, compared) if compared is not None else None
        gates = evaluate_gates([*contracts, *audit_metrics(spark, night, pins, baseline)])
        check_no_erasure()
        try:
            return publish(
                night,
                pins=pins,
                gates=gates,
                inputs=inputs,
                model_versions=model_versions,
                current=current,
                mode=mode,
                actor=actor,
                now=now,
            )
        except CurrentMoved as conflict:
            if not audits_left:
                raise
            LOG.info("audited again", reason=str(conflict))
    raise AssertionError  # the last audit returns or raises


def _inputs(night: Night) -> tuple[Pin, ...]:
    """The newest write of each table of this run, published tables excepted."""
    published = {table.name for table in PUBLISHED_TABLES}
    rows = read_table(night.settings.lake, RUN_METRICS, as_of=night.as_of).to_pylist()
    newest = {
        row["task"]: Pin(row["task"], row["table_version"], row["row_count"], row["content_sha256"])
        for row in sorted(rows, key=lambda row: row["recorded_at_utc"])
        if row["run_id"] == night.run_id and row["task"] not in published
    }
    return tuple(newest[name] for name in sorted(newest))


def _model_versions(night: Night) -> list[str]:
    """The models behind the night's tables, as family:version."""
    lake = night.settings.lake
    used = {
        f"{family}:{model_version}"
        for table in output_tables()
        if exists(lake, table)
        for family, model_version in distinct_values(lake, table, night.as_of, OUTPUT_COLUMNS)
    }
    return sorted(used)
