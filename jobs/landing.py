"""Landing files: what arrives, in folders dated by arrival, and the manifests that close a day.

    landing/listens/2026-03-01/part-0.parquet       rows: tracks users listens listen_counts follows tags feedback lyrics
    landing/audio/2026-03-01/<track id>.flac        files: audio covers; the name is the track id, percent-encoded

A row file has the columns of its raw_ table without source_file, source_row and arrival_date; lyrics have
`track_id` and `lyrics_bytes`, because their encoding is checked here and not trusted.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING
from urllib.parse import quote

import pyarrow.parquet as pq

if TYPE_CHECKING:
    import pyarrow as pa

    from feature_store.storage import Storage

ROW_SOURCES = ("tracks", "users", "listens", "listen_counts", "follows", "tags", "feedback", "lyrics")
FILE_SOURCES = ("audio", "covers")


@dataclass(frozen=True, slots=True)
class LandingWriter:
    """Writes landing files; what the sources in jobs/sources use."""

    storage: Storage

    def rows(self, source: str, arrival_date: date, rows: pa.Table, part: str = "part-0") -> str:
        """Write one Parquet file of a row source; returns its path in the lake."""
        if source not in ROW_SOURCES:
            raise ValueError(f"landing: {source!r} is no row source; there are {ROW_SOURCES}")
        sink = io.BytesIO()
        pq.write_table(rows, sink)
        path = f"landing/{source}/{arrival_date:%Y-%m-%d}/{part}.parquet"
        self.storage.write(path, sink.getvalue())
        return path

    def file(self, source: str, arrival_date: date, track_id: str, ending: str, content: bytes) -> str:
        """Write one audio file or cover; `ending` without its dot. Returns its path in the lake."""
        if source not in FILE_SOURCES:
            raise ValueError(f"landing: {source!r} is no file source; there are {FILE_SOURCES}")
        path = f"landing/{source}/{arrival_date:%Y-%m-%d}/{quote(track_id, safe='')}.{ending}"
        self.storage.write(path, content)
        return path
