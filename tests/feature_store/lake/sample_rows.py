"""One row of tables that several tests write."""

from __future__ import annotations

from datetime import date

import pyarrow as pa

from feature_store.tables.recommendations import REC_CHANGES
from feature_store.tables.runs import RUN_WAIVERS
from tests.feature_store.publishing.staging import NOON


def changes(day: date, track: str = "t1", run_id: str = "r") -> pa.Table:
    """A row of rec_changes: the track entered the list of u1."""
    values = dict.fromkeys(REC_CHANGES.column_names) | {
        "as_of_date": day,
        "user_id": "u1",
        "track_id": track,
        "change": "entered",
        "compared_as_of_date": day,
        "compared_run_id": "earlier",
        "to_rank": 1,
        "run_id": run_id,
    }
    return pa.Table.from_pylist([values], schema=REC_CHANGES.arrow_schema)


def waiver(run_id: str) -> pa.Table:
    """A row of run_waivers."""
    row = {"run_id": run_id, "rule": "r", "actor": "a", "reason": "b", "recorded_at_utc": NOON}
    return pa.Table.from_pylist([row], schema=RUN_WAIVERS.arrow_schema)
