"""Landing files of any schema become rows in the contract's types; failures carry a reason."""

from __future__ import annotations

import base64
import errno
import io
import json
import os
from collections import defaultdict
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feature_store.lake.storage import open_storage, sha256_of
from feature_store.lake.stored_file import StorageError
from jobs.inputs import Slice
from jobs.landing import parquet_file
from jobs.landing.layout import LandingError
from jobs.landing.manifests import close_days
from jobs.landing.writer import LandingWriter
from jobs.raw.steps.parquet_rows import rows_of_file
from jobs.raw.steps.reading import read_landing

FEB_28, FEB_29, MAR_1, MAR_2 = (
    date(2024, 2, 28),
    date(2024, 2, 29),
    date(2024, 3, 1),
    date(2024, 3, 2),
)
NOON = datetime(2024, 2, 29, 12, tzinfo=UTC)


@pytest.fixture
def writer(settings):
    return LandingWriter(open_storage(settings.lake))


def read(spark, writer, source, first=FEB_29, end=MAR_1):
    close_days(writer.storage, end - timedelta(days=1))
    return read_landing(spark, str(writer.storage.root), source, Slice(first, end))


def land(writer, source, part, table):
    """As another program writes: LandingWriter would round the times."""
    writer.storage.write(f"landing/{source}/2024-02-29/{part}.parquet", parquet(table))


def test_a_row_keeps_its_file_its_row_number_and_its_arrival_date(spark, writer):
    """Two files of one day; row numbers start at 0 in each; a file name may hold odd characters."""
    writer.write_rows("users", FEB_29, pa.table({"user_id": ["ada", "bo"]}))
    writer.write_rows("users", FEB_29, pa.table({"user_id": ["cy"]}), "a+b [1] ü%20")

    rows = read(spark, writer, "users").orderBy("user_id").collect()

    folder = "landing/users/2024-02-29"
    assert [(row.user_id, row.source_file, row.source_row, row.arrival_date) for row in rows] == [
        ("ada", f"{folder}/part-0.parquet", 0, FEB_29),
        ("bo", f"{folder}/part-0.parquet", 1, FEB_29),
        ("cy", f"{folder}/a+b [1] ü%20.parquet", 0, FEB_29),
    ]


def test_only_the_days_of_the_slice_are_read_with_late_files_on_their_arrival_date(spark, writer):
    """[29 February, 1 March) excludes the 28th and includes the late file of the 28th."""
    writer.write_rows("users", FEB_28, pa.table({"user_id": ["early"]}))
    close_days(writer.storage, FEB_28)
    writer.write_rows("users", FEB_28, pa.table({"user_id": ["late"]}), "late")
    writer.write_rows("users", FEB_29, pa.table({"user_id": ["in_time"]}))
    writer.write_rows("users", MAR_1, pa.table({"user_id": ["next"]}))

    rows = read(spark, writer, "users").collect()

    assert {(row.user_id, row.arrival_date) for row in rows} == {
        ("late", FEB_29),
        ("in_time", FEB_29),
    }


def test_a_day_without_files_gives_an_empty_frame_with_the_same_columns(spark, writer):
    writer.write_rows("users", FEB_28, pa.table({"user_id": ["ada"]}))
    writer.write_rows("listens", FEB_28, pa.table({"user_id": ["ada"]}))

    empty = read(spark, writer, "listens", FEB_29, MAR_2)

    assert empty.count() == 0
    assert empty.columns == read(spark, writer, "listens", FEB_28, FEB_29).columns
    assert read(spark, writer, "audio", FEB_29, MAR_2).count() == 0


def test_files_with_different_columns_and_types_are_cast_to_the_contracts_types(spark, writer):
    """The second file has numbers for ids, text for times, no duration_ms, and an extra column."""
    writer.write_rows(
        "listens",
        FEB_29,
        pa.table(
            {
                "user_id": ["ada"],
                "track_id": ["hymn"],
                "listened_at_utc": [NOON],
                "played_ms": pa.array([5], pa.int32()),
                "duration_ms": [10.0],
            }
        ),
    )
    writer.write_rows(
        "listens",
        FEB_29,
        pa.table(
            {
                "user_id": [7],
                "track_id": ["hymn"],
                "listened_at_utc": ["2024-02-29 12:00:00"],
                "played_ms": ["6"],
                "player": ["web"],
            }
        ),
        "odd",
    )

    arrived = read(spark, writer, "listens").orderBy("played_ms")

    first, second = arrived.collect()
    assert (first.user_id, first.played_ms, first.duration_ms) == ("ada", 5, 10)
    assert (second.user_id, second.played_ms, second.duration_ms) == ("7", 6, None)
    assert first.listened_at_utc == second.listened_at_utc
    assert (first.reading_reason, second.reading_reason) == (None, None)
    assert '"player":"web"' in second.original_text
    assert dict(arrived.dtypes)["played_ms"] == "bigint"


@pytest.mark.parametrize("value", ["soon", True, [5]])
def test_a_value_that_cannot_be_cast_becomes_null_with_a_reason(spark, writer, value):
    """A word, a boolean or a list is no number of milliseconds."""
    writer.write_rows("listens", FEB_29, pa.table({"user_id": ["ada"], "played_ms": [value]}))

    [row] = read(spark, writer, "listens").collect()

    assert (row.played_ms, row.reading_reason) == (None, "wrong_type")
    assert row.reading_detail.startswith("played_ms = ")
    assert row.reading_detail.endswith("which is no BIGINT")


def test_a_count_of_seconds_is_not_read_as_a_time(spark, writer):
    """1,709,208,000 may be seconds or milliseconds, so the source must send a time."""
    writer.write_rows("listens", FEB_29, pa.table({"listened_at_utc": [1_709_208_000]}))

    [row] = read(spark, writer, "listens").collect()

    assert (row.listened_at_utc, row.reading_reason) == (None, "wrong_type")


def test_an_unreadable_file_becomes_one_row_and_other_files_are_read(spark, writer):
    """A text file with a Parquet extension, and a truncated Parquet file; each row has the head."""
    writer.write_rows("users", FEB_29, pa.table({"user_id": ["ada"]}))
    whole = writer.storage.read("landing/users/2024-02-29/part-0.parquet")
    writer.storage.write("landing/users/2024-02-29/cut.parquet", whole[: len(whole) // 2])
    writer.storage.write("landing/users/2024-02-29/text.parquet", b"user_id\nbo\n")

    rows = {
        row.source_file.rsplit("/", 1)[1]: row for row in read(spark, writer, "users").collect()
    }

    assert set(rows) == {"part-0.parquet", "cut.parquet", "text.parquet"}
    assert rows["part-0.parquet"].user_id == "ada"
    text = rows["text.parquet"]
    assert (text.user_id, text.source_row, text.reading_reason) == (None, 0, "unreadable_file")
    assert base64.b64decode(text.original_text) == b"user_id\nbo\n"
    assert "landing/users/2024-02-29/text.parquet, 11 bytes" in text.reading_detail
    assert rows["cut.parquet"].reading_reason == "unreadable_file"


def test_nanoseconds_are_read_whoever_wrote_them(spark, writer):
    """Pandas' default, which Spark itself refuses."""
    at = pa.array([NOON], pa.timestamp("ns", "UTC"))
    land(writer, "listens", "nanos", pa.table({"user_id": ["ada"], "listened_at_utc": at}))

    [row] = read(spark, writer, "listens").collect()

    assert (row.user_id, row.reading_reason) == ("ada", None)
    assert row.listened_at_utc.replace(tzinfo=UTC) == NOON


def test_columns_are_found_in_any_case_and_others_are_ignored(spark, writer):
    """Also an extra column of a type that Spark lacks; two columns of one name are not guessed at."""
    extra = pa.array([time(12)], pa.time64("ns"))
    half = pa.array([np.float16(1.5)], pa.float16())
    land(
        writer,
        "users",
        "odd",
        pa.table({"User_Id": ["ada"], "at": extra, "half": half, "IS_OPTED_OUT": [1.0]}),
    )
    extras = pa.table(
        [pa.array(["ada"]), pa.array([1]), pa.array([2]), pa.array([3])],
        names=["user_id", "Foo", "foo", "foo"],
    )
    land(writer, "users", "extras", extras)
    land(writer, "users", "twice", pa.table({"User_Id": ["bo"], "USER_ID": ["cy"]}))

    rows = {
        row.source_file.rsplit("/", 1)[1]: row for row in read(spark, writer, "users").collect()
    }

    odd, twice = rows["odd.parquet"], rows["twice.parquet"]
    assert (rows["extras.parquet"].user_id, rows["extras.parquet"].reading_reason) == ("ada", None)
    assert (odd.user_id, odd.is_opted_out, odd.reading_reason) == ("ada", True, None)
    assert json.loads(odd.original_text) == {
        "User_Id": "ada",
        "at": "12:00:00.000000000",
        "half": 1.5,
        "IS_OPTED_OUT": 1.0,
    }
    assert (twice.user_id, twice.reading_reason) == (None, "unreadable_file")
    assert "'User_Id' and 'USER_ID' have one name" in twice.reading_detail


def test_an_opt_out_in_another_spelling_counts_and_a_file_of_another_source_is_one_reject(
    spark, writer
):
    land(writer, "users", "camel", pa.table({"userId": ["ada"], "is-opted-out ": [True]}))
    listens = {"user_id": ["ada", "bo"], "track_id": ["hymn"] * 2, "listened_at_utc": [NOON] * 2}
    land(writer, "users", "listens", pa.table(listens))

    opted_out, misplaced = sorted(
        read(spark, writer, "users").collect(), key=lambda row: row.source_file
    )

    assert (opted_out.user_id, opted_out.is_opted_out, opted_out.reading_reason) == (
        "ada", True, None,
    )  # fmt: skip
    assert (misplaced.user_id, misplaced.reading_reason) == (None, "unreadable_file")
    assert "land it in landing/listens/" in misplaced.reading_detail


def test_a_row_says_whether_all_that_it_lacks_may_be_left_out(spark, writer):
    """The id may not; the dates and choices of a listener may."""
    table = pa.table(
        {
            "user_id": ["ada", "ben", b"f\xff".decode("latin-1"), "dan"],
            "registered_date": ["0000-00-00", "2024-01-01", "2024-01-01", "2024-02-30"],
            "is_opted_out": ["true", "true", "true", "maybe"],
        }
    )
    ids = pa.array([b"ada", b"ben", b"f\xff", b"dan"], pa.binary())
    land(writer, "users", "partly", table.set_column(0, "user_id", ids))

    rows = sorted(read(spark, writer, "users").collect(), key=lambda row: row.source_row)

    assert [row.is_partly_read for row in rows] == [True, False, False, True]
    assert [(row.is_opted_out, row.registered_date) for row in rows[::3]] == [
        (True, None), (None, None)
    ]  # fmt: skip


def parquet(table, **options):
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def damaged_page(content, offset=40):
    """Zero bytes in the first page; the footer is whole."""
    return content[:offset] + bytes(40) + content[offset + 40 :]


IDS = pa.table({"user_id": [f"user-{number:05}" for number in range(500)]})
TRAP = pa.table({"user_id": pa.nulls(1_000_000, pa.string())})
BROKEN_FILES = {
    "no columns at all": lambda: parquet(pa.table({})),
    "zero bytes": lambda: b"",
    "text": lambda: b"user_id\nbo\n",
    "only the magic": lambda: b"PAR1PAR1",
    "cut in the middle": lambda: parquet(IDS)[:2000],
    "footer cut": lambda: parquet(IDS)[:-9] + b"PAR1",
    "a footer length beyond the file": lambda: parquet(IDS)[:-8] + b"\xff\xff\xff\x7fPAR1",
    "a damaged page": lambda: damaged_page(parquet(IDS, use_dictionary=False, compression="none")),
    "a damaged page with its checksum": lambda: damaged_page(
        parquet(IDS, use_dictionary=False, compression="none", write_page_checksum=True), 2000
    ),
    "another id in a page with its checksum": lambda: parquet(
        IDS, use_dictionary=False, compression="none", write_page_checksum=True
    ).replace(b"user-00250", b"user-99999"),
    "a damaged compressed page": lambda: damaged_page(parquet(IDS, compression="zstd"), 60),
    "two columns of one name": lambda: parquet(
        pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["user_id", "user_id"])
    ),
    "a million nulls in a few bytes": lambda: parquet(TRAP),
}
READ_FILES = {
    "brotli": lambda: parquet(IDS, compression="brotli"),
    "zstd": lambda: parquet(IDS, compression="zstd"),
    "lz4": lambda: parquet(IDS, compression="lz4"),
    "byte stream split": lambda: parquet(
        IDS.append_column("played", pa.array([0.5] * 500)),
        use_dictionary=False,
        column_encoding={"user_id": "PLAIN", "played": "BYTE_STREAM_SPLIT"},
    ),
    "delta byte array, version 2 pages": lambda: parquet(
        IDS, use_dictionary=False, column_encoding="DELTA_BYTE_ARRAY", data_page_version="2.0"
    ),
    "large text of pandas' arrow types": lambda: parquet(
        IDS.cast(pa.schema([("user_id", pa.large_string())]))
    ),
    "categories": lambda: parquet(pa.table({"user_id": IDS["user_id"].dictionary_encode()})),
    "many small row groups": lambda: parquet(IDS, row_group_size=7),
}


def test_each_broken_file_is_one_reject_and_stops_no_other(spark, writer):
    """Whatever is broken, and whenever it shows: in the footer, in a page, in the checksum."""
    for name, content in (BROKEN_FILES | READ_FILES).items():
        writer.storage.write(f"landing/users/2024-02-29/{name}.parquet", content())

    rows = read(spark, writer, "users").collect()

    by_file = defaultdict(list)
    for row in rows:
        by_file[row.source_file.rsplit("/", 1)[1].removesuffix(".parquet")].append(row)
    assert by_file.keys() == BROKEN_FILES.keys() | READ_FILES.keys()
    for name in BROKEN_FILES:
        assert [row.reading_reason for row in by_file[name]] == ["unreadable_file"], name
    for name in READ_FILES:
        assert {row.reading_reason for row in by_file[name]} == {None}, name
        assert sorted(row.user_id for row in by_file[name]) == IDS["user_id"].to_pylist(), name


def test_a_storage_that_does_not_answer_says_nothing_about_the_file(
    spark, settings, writer, monkeypatch
):
    """The task fails and is tried again: as a reject the file would be lost with its day."""
    path = writer.write_rows("users", FEB_29, pa.table({"user_id": ["ada"]}))
    [listed] = list(writer.storage.list("landing/users"))
    close_days(writer.storage, FEB_29)
    (writer.storage.root / path).unlink()

    with pytest.raises(StorageError, match=f"{path}: cannot be read"):
        list(rows_of_file(writer.storage, "users", path, listed.byte_count, FEB_29))


@pytest.mark.parametrize("errno_of_disk", [errno.EIO, errno.ETIMEDOUT, errno.ESTALE])
def test_an_error_of_the_disk_in_the_middle_of_a_file_is_no_property_of_it(
    writer, monkeypatch, errno_of_disk
):
    path = writer.write_rows("users", FEB_29, IDS)

    def fails(*_, **__):
        raise OSError(errno_of_disk, os.strerror(errno_of_disk))

    monkeypatch.setattr(parquet_file, "_batches", fails)
    with pytest.raises(StorageError, match="cannot be read"):
        list(rows_of_file(writer.storage, "users", path, 1, FEB_29))


def test_a_text_that_every_row_names_fits_in_memory(writer):
    """One megabyte in a dictionary, named by 2,000 rows: two gigabytes when decoded at once."""
    text = "x" * (1 << 20)
    name = pa.DictionaryArray.from_arrays(pa.array([0] * 2000, pa.int32()), [text])
    land(writer, "users", "wide", pa.table({"user_id": name}))

    sizes = [
        batch.nbytes
        for batch in rows_of_file(
            writer.storage, "users", "landing/users/2024-02-29/wide.parquet", 1, FEB_29
        )
    ]

    assert len(sizes) > 10
    assert max(sizes) < 300 << 20


def test_one_process_checks_all_files_of_a_worker(tmp_path):
    """Its start takes a second; addresses that Arrow reserves must not count as memory kept."""
    file = tmp_path / "users.parquet"
    pq.write_table(pa.table({"user_id": ["ada", "bo"]}), file)

    def checked():
        assert sum(batch.num_rows for batch in parquet_file.read_batches(file)) == 2
        return {child.pid for child in psutil.Process().children()}

    first = checked()

    assert len(first) >= 1
    assert checked() == first


def test_many_long_texts_come_in_few_batches(writer):
    """A hundred megabytes of different texts; the parts of a batch share one dictionary."""
    texts = [f"{number:06}" + "x" * 500_000 for number in range(200)]
    land(writer, "users", "long", pa.table({"user_id": texts}))

    batches = list(
        rows_of_file(writer.storage, "users", "landing/users/2024-02-29/long.parquet", 1, FEB_29)
    )

    assert sum(batch.num_rows for batch in batches) == 200
    assert len(batches) <= 4


def test_original_text_holds_bytes_as_base64(spark, writer):
    writer.write_rows(
        "lyrics", FEB_29, pa.table({"track_id": ["hymn"], "lyrics_bytes": [b"\xff\xfe"]})
    )

    [row] = read(spark, writer, "lyrics").collect()

    assert row.original_text == '{"track_id":"hymn","lyrics_bytes":"//4="}'
    assert bytes(row.lyrics_bytes) == b"\xff\xfe"


def test_a_file_source_gives_hash_size_and_track_id(spark, writer):
    """The track id is the percent-decoded file name; the hash is of the bytes."""
    writer.write_file("audio", FEB_29, "a/b. c", "flac", b"sound")

    [row] = read(spark, writer, "audio").collect()

    path = "landing/audio/2024-02-29/a%2Fb.%20c.flac"
    assert row.asDict() == {
        "track_id": "a/b. c",
        "file_uri": path,
        "content_hash": sha256_of(b"sound"),
        "byte_count": 5,
        "source_file": path,
        "source_row": 0,
        "arrival_date": FEB_29,
    }


def test_a_missing_listed_file_raises(spark, writer):
    path = writer.write_rows("users", FEB_29, pa.table({"user_id": ["ada"]}))
    close_days(writer.storage, FEB_29)
    writer.storage.delete(path)

    with pytest.raises(LandingError, match=f"{path} is gone"):
        read(spark, writer, "users")
