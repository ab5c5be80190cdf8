"""Run log: a row of run_metrics and a lineage event for each task of a run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import pyarrow as pa

from feature_store.lake.arrow_io import Written, append
from feature_store.runs.lineage import emit_written
from feature_store.settings import Night
from feature_store.tables import table_called
from feature_store.tables.layers import LAYERS
from feature_store.tables.runs import RUN_METRICS


def record_task(
    night: Night,
    written: Written,
    inputs: Mapping[str, int],
    *,
    part: str = "",
    elapsed_s: float,
    now: datetime,
) -> None:
    """Append a task's metrics to run_metrics, and emit its lineage event.

    Args:
        night: the run.
        written: what the task wrote.
        inputs: version of each table that the task read.
        part: the part of the slice, where several tasks of a run each write one.
        elapsed_s: seconds that the task took.
        now: when it ended.
    """
    row = {
        "run_id": night.run_id,
        "as_of_date": night.as_of,
        "stage": LAYERS[table_called(written.table_name).layer].stage,
        "task": f"{written.table_name}.{part}" if part else written.table_name,
        "row_count": written.row_count,
        "added_bytes": written.added_bytes,
        "elapsed_s": elapsed_s,
        "table_version": written.table_version,
        "content_sha256": written.content_sha256,
        "recorded_at_utc": now,
    }
    append(
        night.settings.lake,
        RUN_METRICS,
        pa.Table.from_pylist([row], schema=RUN_METRICS.arrow_schema),
        commit_note=night.run_id,
    )
    emit_written(night, str(row["task"]), written, inputs, now)
