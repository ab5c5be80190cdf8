"""LandingWriter: Parquet files that Spark can read, and only known sources."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feature_store.lake.storage import FolderStorage
from jobs.landing.writer import LandingWriter

FEB_27 = date(2024, 2, 27)


@pytest.fixture
def storage(tmp_path):
    return FolderStorage(tmp_path / "lake")


def test_times_land_in_microseconds(storage):
    """Spark refuses Parquet files with nanoseconds."""
    at = pa.array([datetime(2024, 2, 27, 12, tzinfo=UTC)], pa.timestamp("ns", tz="UTC"))
    path = LandingWriter(storage).write_rows("listens", FEB_27, pa.table({"listened_at_utc": at}))

    stored = pq.read_schema(storage.uri(path))

    assert stored.field("listened_at_utc").type == pa.timestamp("us", tz="UTC")


def test_an_unknown_source_is_refused(storage):
    with pytest.raises(ValueError, match="'listenz' is no row source"):
        LandingWriter(storage).write_rows("listenz", FEB_27, pa.table({"user_id": ["ada"]}))
    with pytest.raises(ValueError, match="'lyrics' is no file source"):
        LandingWriter(storage).write_file("lyrics", FEB_27, "hymn", "txt", b"la")
