"""Rows of run_erasures: what an erasure has removed, without the person."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from feature_store.lake.arrow_io import append
from feature_store.tables.runs import RUN_ERASURES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from feature_store.privacy.requests import Request


def append_evidence(
    lake: str, requests: Sequence[Request], removed_files: int, now: datetime
) -> None:
    """Append a row for each request of a batch, in one commit.

    Args:
        lake: the lake's address.
        requests: with the counts of all parts.
        removed_files: number of files of earlier versions that were deleted for all of them.
        now: when they ended.
    """
    rows = [_row(request, removed_files, now) for request in requests]
    append(
        lake,
        RUN_ERASURES,
        pa.Table.from_pylist(rows, schema=RUN_ERASURES.arrow_schema),
        commit_note=f"erasure {' '.join(request.request_id for request in requests)}",
    )


def _row(request: Request, removed_files: int, now: datetime) -> dict[str, object]:
    return {
        "request_id": request.request_id,
        "requested_at_utc": request.requested_at_utc,
        "finished_at_utc": now,
        "actor": request.actor,
        "removed": [
            {"name": name, "row_count": count} for name, count in request.removed.items() if count
        ],
        "rewritten_tables": list(request.rewritten_tables),
        "removed_file_count": removed_files,
        "event_number": request.event_number,
    }
