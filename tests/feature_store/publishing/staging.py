"""Stage and publish runs of hand-made rows, for tests of publication."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pyarrow as pa

from feature_store.lake import arrow_io
from feature_store.publishing import publish
from feature_store.publishing.gates import GateResult
from feature_store.publishing.snapshot import Pin, current_event, events
from feature_store.runs import run_log
from feature_store.settings import Night
from feature_store.tables import PUBLISHED_TABLES
from feature_store.tables.recommendations import REC_TOPK

MARCH_1, MARCH_2, MARCH_3 = date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 3)
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
PASSED = GateResult(
    rule="full_list_ratio",
    table_name="rec_topk",
    is_passed=True,
    value=1.0,
    threshold="at least 0.999",
    examples="",
)
BROKEN = GateResult(
    rule="hidden_tracks_topk",
    table_name="rec_topk",
    is_passed=False,
    value=2,
    threshold="at most 0",
    examples='{"user_id":"u1"}',
    is_absolute=True,
)
CHURNED = GateResult(
    rule="churn_ratio",
    table_name="rec_changes",
    is_passed=False,
    value=0.99,
    threshold="at most 0.95",
    examples="",
)


def staged_run(settings, day, run_id, track="t1"):
    """Stage a list of one track as a run of a day; returns the night and its pins."""
    night = Night(day, run_id, settings)
    return night, [stage_table(night, table, track) for table in PUBLISHED_TABLES]


def stage_table(night, table, track):
    """Write the run's slice of one table, rec_topk with one row, and record it."""
    rows = [_topk_row(night, track)] if table is REC_TOPK else []
    written = arrow_io.write_slice(
        night.settings.lake,
        table,
        pa.Table.from_pylist(rows, schema=table.arrow_schema),
        as_of=night.as_of,
    )
    run_log.record_task(night, written, {}, elapsed_s=1.0, now=NOON)
    return Pin(table.name, written.table_version, written.row_count, written.content_sha256)


def publish_run(run, *, mode="auto", gates=(PASSED,), current=None):
    """Append the event of a staged run; its gates compared with the current event by default."""
    night, pins = run
    return publish.publish(
        night,
        pins=pins,
        gates=gates,
        inputs=(),
        model_versions=["mm_gnn:1"],
        current=current or current_event(events(night.settings.lake)),
        mode=mode,
        actor="test",
        now=NOON,
    )


def _topk_row(night, track):
    empty = dict.fromkeys(REC_TOPK.column_names)
    return empty | {
        "as_of_date": night.as_of,
        "user_id": "u1",
        "rank": 1,
        "track_id": track,
        "title": track,
        "artist_id": "a",
        "artist_name": "A",
        "artist_match_key": "a",
        "title_match_key": track,
        "score": 1.0,
        "tier": "popular",
        "reason_kind": "popular",
        "reason_text": "Many listeners play this",
        "run_id": night.run_id,
    }
