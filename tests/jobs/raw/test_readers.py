"""What a raw_ or core_ table accepts, every reader that people use can read."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import duckdb
import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from feature_store.lake import spark_io
from feature_store.lake.delta_tables import table_uri
from feature_store.lake.storage import open_storage
from feature_store.settings import Night, load_settings
from feature_store.tables import table_called
from jobs.landing.manifests import close_days
from jobs.landing.writer import LandingWriter
from jobs.registry import job_names
from jobs.run import run_job

EARLY, LATE = date(1, 1, 1), date(9999, 12, 31)
ODD_ID = 'O\'Neil, "a;b" né 🎵 \ud7ff\uffff'
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)

LANDED = {
    "users": {
        "user_id": [ODD_ID, "ada", "bo", "f\0odd"],
        "registered_date": [EARLY, LATE, None, None],
        "is_opted_out": [True, None, False, None],
    },
    "tracks": {
        "track_id": [ODD_ID, "hymn"],
        "title": ["[/] =1+1\n\t", "Hymn"],
        "artist_id": ["choir", "choir"],
        "artist_name": ["Zoë\u0301", "Choir"],
        "released_date": [EARLY, LATE],
        "track_duration_ms": [1, 86_400_000],
    },
    "listens": {
        "user_id": ["ada", "ada", ODD_ID, "ada"],
        "track_id": ["hymn"] * 4,
        "listened_at_utc": [EARLIEST, datetime(1, 1, 1, tzinfo=UTC), EARLIEST + timedelta(microseconds=1), datetime(9999, 12, 31, tzinfo=UTC)],
        "played_ms": [0, 1, 86_400_000, 5],
        "duration_ms": [1, 1, 1, 5],
    },
    "follows": {
        "user_id": ["ada", "bo"],
        "followed_user_id": [ODD_ID, "ada"],
        "followed_from_date": [date(1990, 1, 1), EARLY],
    },
    "tags": {"track_id": ["hymn", "hymn"], "tag": ["🎵 Slow", "ro\0ck"], "tagged_date": [EARLY, None]},
    "emotion_texts": {
        "text_id": [ODD_ID, "s-1", "s-2"],
        "perspective": ["reader", "writer", "combined"],
        "emotion_text": ["[/] =1+1\n\t🎵", "No.", "f\0odd"],
        "valence": ["-1", ".5", "0"],
        "arousal": [1.0, -0.0, 0.0],
    },
    "lyrics": {"track_id": ["hymn", ODD_ID], "lyrics_bytes": ["la 🎵\u0001".encode(), b"\xff"]},
}  # fmt: skip
ROWS = {
    "raw_users": 3, "raw_tracks": 2, "raw_listens": 2, "raw_follows": 1, "raw_tags": 1,
    "raw_lyrics": 1, "raw_emotion_texts": 2, "raw_rejects": 7, "core_users": 3, "core_tracks": 2,
    "core_emotion_texts": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def lake_at_the_limits(spark, tmp_path_factory):
    """The jobs of a night over rows at the limits of the rules, and beyond them."""
    folder = tmp_path_factory.mktemp("limits") / "lake"
    night = Night(date(2026, 3, 1), "run", load_settings(lake=folder, state=folder / "state"))
    storage = open_storage(night.settings.lake)
    for source, columns in LANDED.items():
        LandingWriter(storage).write_rows(source, night.as_of, pa.table(columns))
    close_days(storage, night.as_of)
    others = ("raw_audio", "raw_covers", "raw_listen_counts", "raw_feedback")
    for name in job_names():  # raw_rejects reads raw_tracks, and core_ reads raw_
        if name in {*ROWS, *others}:
            run_job(name, night, spark)
    return night.settings.lake


@pytest.mark.parametrize("name", ROWS)
def test_every_reader_sees_the_same_rows(spark, lake_at_the_limits, name):
    """Spark, delta-rs (to Arrow and to pandas), DuckDB and polars; a value that one cannot hold fails."""
    table = table_called(name)
    uri = table_uri(lake_at_the_limits, table)
    key = table.key[-1]

    by_spark = [
        row.asDict() for row in spark_io.read_history(spark, lake_at_the_limits, table).collect()
    ]
    arrow = DeltaTable(uri).to_pyarrow_table()
    by_duckdb = duckdb.sql("SELECT * FROM arrow").to_arrow_table()
    by_polars = pl.read_delta(uri)

    assert len(by_spark) == ROWS[name]
    keys = sorted(str(row[key]) for row in by_spark)
    for read in (arrow.to_pylist(), by_duckdb.to_pylist(), by_polars.to_dicts()):
        assert sorted(str(row[key]) for row in read) == keys
    assert len(arrow.to_pandas(timestamp_as_object=True)) == ROWS[name]
    for column in table.columns:
        if column.kind.arrow == pa.string():
            values = by_polars[column.name].to_list()
            assert sorted(values, key=str) == sorted(
                (row[column.name] for row in by_spark), key=str
            )
            assert not any("\0" in value for value in values if value is not None)
