"""LandingWriter: the sources in jobs/sources write their landing files with it."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from jobs.landing.layout import content_file_path, row_file_path

if TYPE_CHECKING:
    from datetime import date

    import pyarrow as pa

    from feature_store.lake.storage import Storage


@dataclass(frozen=True, slots=True)
class LandingWriter:
    """Writes landing files in the layout of jobs/landing/layout.py."""

    storage: Storage

    def write_rows(
        self, source: str, arrival_date: date, rows: pa.Table, part: str = "part-0"
    ) -> str:
        """Write one Parquet file of a row source; returns its path in the lake."""
        path = row_file_path(source, arrival_date, part)
        sink = io.BytesIO()
        # Spark reads no nanoseconds, and no table of ours holds any.
        pq.write_table(rows, sink, coerce_timestamps="us", allow_truncated_timestamps=True)
        self.storage.write(path, sink.getvalue())
        return path

    def write_file(
        self, source: str, arrival_date: date, track_id: str, extension: str, content: bytes
    ) -> str:
        """Write one audio file or cover; `extension` has no dot. Returns its path in the lake."""
        path = content_file_path(source, arrival_date, track_id, extension)
        self.storage.write(path, content)
        return path
