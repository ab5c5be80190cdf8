"""LandingWriter: Parquet files that Spark can read, and listed files that never change."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feature_store.lake.storage import FolderStorage
from jobs.inputs import Slice
from jobs.landing.manifests import close_days
from jobs.landing.writer import LandingWriter
from jobs.raw.steps.reading import read_landing

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


LISTEN = {"user_id": "ada", "listened_at_utc": datetime(2024, 2, 27, 12, tzinfo=UTC)}


@pytest.fixture
def closed_lake(tmp_path):
    """A lake whose path has a blank and a percent sign; 27 February is closed with one file."""
    storage = FolderStorage(tmp_path / "my lake 100%25")
    rows = pa.Table.from_pylist([LISTEN, LISTEN])  # a phone that reconnects sends a listen twice
    LandingWriter(storage).write_rows("listens", FEB_27, rows)
    close_days(storage, FEB_27)
    return storage


@pytest.mark.parametrize(
    ("rows", "n_new"),
    [
        ([LISTEN], 0),
        ([LISTEN, LISTEN], 0),
        ([LISTEN, LISTEN, LISTEN], 1),
        ([LISTEN | {"user_id": "bo"}, LISTEN], 1),
        ([LISTEN | {"played_ms": 7}], 1),
    ],
)
def test_beside_a_listed_file_only_rows_land_that_it_lacks(closed_lake, rows, n_new):
    """Times are compared as they are stored, in microseconds."""
    table = pa.Table.from_pylist(rows)
    if "listened_at_utc" in table.column_names:
        index = table.column_names.index("listened_at_utc")
        nanoseconds = table["listened_at_utc"].cast(pa.timestamp("ns", tz="UTC"))
        table = table.set_column(index, "listened_at_utc", nanoseconds)
    writer = LandingWriter(closed_lake)

    path = writer.write_rows("listens", FEB_27, table)

    assert path.endswith("part-0_0002.parquet" if n_new else "part-0.parquet")
    assert sum(landed.count for landed in writer.landed if landed.is_new) == n_new
    assert pq.read_table(closed_lake.uri("landing/listens/2024-02-27/part-0.parquet")).num_rows == 2


def test_two_ingests_at_once_write_two_files(closed_lake):
    """Both find the first name free; the second to write takes the next one."""
    one = LandingWriter(closed_lake)
    other = LandingWriter(closed_lake)
    for writer, user in ((one, "ada"), (other, "bo")):
        writer.add_rows("users", FEB_27, pa.table({"user_id": [user]}), "part-0")

    stored = pa.concat_tables(one.stored_rows("users", FEB_27, "part-0"))
    assert stored["user_id"].to_pylist() == ["ada", "bo"]


def test_the_next_night_reads_what_landed_late(spark, closed_lake):
    """Rows with the path of their file, and of two covers of one day the later one last."""
    writer = LandingWriter(closed_lake)
    for colour in (b"red", b"blue"):
        writer.write_file("covers", FEB_27, "a/b 1%", "jpg", colour)
        close_days(closed_lake, FEB_27 + timedelta(days=1 if colour == b"red" else 2))
    writer.write_rows("listens", FEB_27, pa.Table.from_pylist([LISTEN | {"user_id": "bo"}]))
    close_days(closed_lake, FEB_27 + timedelta(days=3))
    days = Slice(FEB_27 + timedelta(days=1), FEB_27 + timedelta(days=4))

    covers = read_landing(spark, str(closed_lake.root), "covers", days).collect()
    listens = read_landing(spark, str(closed_lake.root), "listens", days).collect()

    assert {(row.track_id, row.file_uri, row.arrival_date.day) for row in covers} == {
        ("a/b 1%", "landing/covers/2024-02-27/a%2Fb%201%25.jpg", 28),
        ("a/b 1%", "landing/covers/2024-02-27/a%2Fb%201%25.jpg_0002", 29),
    }
    assert [(row.user_id, row.source_file) for row in listens] == [
        ("bo", "landing/listens/2024-02-27/part-0_0002.parquet")
    ]
