"""The last task of a night: read back what was staged, judge it, and switch readers over."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from feature_store.lake.arrow_io import read_table
from feature_store.privacy.suppression import unchanged_people
from feature_store.publishing.gates import judge
from feature_store.publishing.publish import CurrentMoved, Mode, audited_pins, publish
from feature_store.publishing.snapshot import Event, Pin, Snapshot, current_event, events
from feature_store.runs.lineage import emit_published
from feature_store.settings import Night
from feature_store.spark.session import make_spark
from feature_store.tables import PUBLISHED_TABLES
from feature_store.tables.runs import RUN_METRICS
from feature_store.tables.scores import SCORE_CANDIDATES
from jobs.publishing.audit import measures

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LOG = structlog.get_logger()

MAX_JUDGEMENTS = 3  # each takes longer than a publication: who is overtaken thrice has a rival


def publish_night(
    night: Night, *, mode: Mode, actor: str, now: datetime, spark: SparkSession | None = None
) -> Event:
    """Audit the staged tables and append the night's event.

    Gates compare with what readers see. When another run is published while they do, they are
    judged again, against that one.

    Raises:
        ReadBackMismatch: a staged slice is not what the run computed.
        GateFailed: a rule is broken; a `blocked` event says which.
        CurrentMoved: somebody published meanwhile, again and again.
        ErasedMeanwhile: somebody was erased after the tables had been staged.
    """
    lake = night.settings.lake
    session = spark or make_spark(night.settings)
    refuse_old_people = unchanged_people(lake)
    pins = audited_pins(session, night)
    inputs, model_versions = _inputs(night), _model_versions(night)
    for judgements_left in reversed(range(MAX_JUDGEMENTS)):
        current = current_event(events(lake))
        judged = judge(measures(session, night, pins, Snapshot(lake, current) if current else None))
        refuse_old_people()
        try:
            event = publish(
                night,
                pins=pins,
                gates=judged,
                inputs=inputs,
                model_versions=model_versions,
                current=current,
                mode=mode,
                actor=actor,
                now=now,
            )
            break
        except CurrentMoved as moved:
            if not judgements_left:
                raise
            LOG.info("judged again", reason=str(moved))
    emit_published(night, event, now)
    LOG.info("published", run_id=event.run_id, event_number=event.event_number, action=event.action)
    return event


def _inputs(night: Night) -> tuple[Pin, ...]:
    """The newest write of each table of this run that is not itself published."""
    published = {table.name for table in PUBLISHED_TABLES}
    rows = read_table(night.settings.lake, RUN_METRICS, as_of=night.as_of).to_pylist()
    newest = {
        row["task"]: Pin(row["task"], row["table_version"], row["row_count"], row["content_sha256"])
        for row in sorted(rows, key=lambda row: row["recorded_at_utc"])
        if row["run_id"] == night.run_id and row["task"] not in published
    }
    return tuple(newest[name] for name in sorted(newest))


def _model_versions(night: Night) -> list[str]:
    scored = read_table(
        night.settings.lake,
        SCORE_CANDIDATES,
        as_of=night.as_of,
        columns=["family", "model_version"],
    )
    return sorted({f"{row['family']}:{row['model_version']}" for row in scored.to_pylist()})
