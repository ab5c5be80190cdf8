"""Erasure from files that count for no day, from manifests, and of ids that are common words."""

from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feature_store.lake.storage import open_storage
from feature_store.privacy import suppression
from feature_store.privacy.person_filter import ERASED, People, Person
from jobs.landing.closing import close_landing
from jobs.landing.erasure import erase_from_landing, matching_landing_rows
from jobs.landing.manifest_files import manifest_path
from jobs.landing.manifests import arrived_files, close_days, read_manifest
from jobs.landing.withdrawal import withdraw

MARCH_1 = date(2026, 3, 1)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ADA = Person("ada")
DAY = "landing/listens/2026-03-01"


@pytest.fixture
def storage(settings):
    return open_storage(settings.lake)


def parquet(*user_ids, **options):
    sink = io.BytesIO()
    pq.write_table(pa.table({"user_id": list(user_ids)}), sink, **options)
    return sink.getvalue()


def user_ids(storage, path):
    return pq.read_table(io.BytesIO(storage.read(path)))["user_id"].to_pylist()


def paths(storage):
    return sorted(file.path for file in storage.list("landing") if "_manifests" not in file.path)


@pytest.mark.parametrize(
    "path",
    [
        "landing/listns/2026-03-01/part-0.parquet",
        "landing/listens/2026-03-01/more/part-0.parquet",
        "landing/listens/part-0.parquet",
        "landing/listens/yesterday/part-0.parquet",
        "landing/export.parquet",
        "landing/listens/2026-03-01/_temporary/0/part-0.parquet",
        "landing/.trash/part-0.parquet",
    ],
)
def test_rows_leave_a_misplaced_parquet_file(settings, storage, night, path):
    """By an erasure and, when the file comes again, by the night."""
    storage.write("landing/users/2026-03-01/part-0.parquet", parquet("ben"))
    storage.write(path, parquet("ada", "ben"))
    assert [found for found, _ in matching_landing_rows(storage, ADA)] == [path]

    assert erase_from_landing(storage, ADA).rows == 1
    assert user_ids(storage, path) == ["ben"]

    storage.write(path, parquet("ada", "ben"))
    suppression.suppress(settings, "ada")
    close_landing(night)
    assert user_ids(storage, path) == ["ben"]


@pytest.mark.parametrize(
    ("content", "left"),
    [
        (b"user_id,n\nada,1\nben,2\n", b"user_id,n\nben,2\n"),
        (b'{"user_id": "ada"}\r\n{"user_id": "ben"}', b'{"user_id": "ben"}'),
        ("user_id\nada\nZo\u00eb\n".encode(), "user_id\nZo\u00eb\n".encode()),
        (b"user_id\nadalbert\n", b"user_id\nadalbert\n"),
        (b"ben\n" * 20_000 + b"ada,\xe9\ncy\n", b"ben\n" * 20_000 + b"cy\n"),  # UTF-8 ends late
        (b"PAR1 broken ada PAR1", b""),
        (b"\xff\x00ada\x00\xfe", b"\xff\x00ada\x00\xfe"),  # binary: named in the log
    ],
)
def test_lines_leave_a_misplaced_text_file(storage, content, left):
    storage.write("landing/export.csv", content)

    erase_from_landing(storage, ADA)

    assert storage.read("landing/export.csv") == left


@pytest.mark.parametrize(
    ("path", "renamed"),
    [
        ("landing/of_ada/part-0.parquet", "landing/of_erased/part-0.parquet"),
        ("landing/listens/2026-03-01/ada/x.parquet", f"{DAY}/erased/x.parquet"),
        ("landing/ada.csv", "landing/erased.csv"),
        ("landing/audio/ada/voice.flac", "landing/audio/erased/voice.flac"),
        ("landing/audio/2026-03-01/ada.flac", "landing/audio/2026-03-01/ada.flac"),  # a track's id
        ("landing/adalbert/x.csv", "landing/adalbert/x.csv"),
    ],
)
def test_a_misplaced_path_loses_the_id_in_its_folders_and_in_what_manifests_say(
    storage, path, renamed
):
    storage.write("landing/users/2026-03-01/part-0.parquet", parquet("ben"))
    storage.write(path, b"x")
    close_days(storage, MARCH_1)

    erase_from_landing(storage, ADA)

    assert paths(storage) == sorted([renamed, "landing/users/2026-03-01/part-0.parquet"])
    if path != renamed:
        assert [one.path for one in read_manifest(storage, MARCH_1).not_taken] == [renamed]
        assert b"ada" not in storage.read(manifest_path(MARCH_1))
        assert not any("ada" in folder.name for folder in storage.root.rglob("*"))


def test_a_file_and_a_line_count_for_everybody_whom_they_name(storage):
    """One file lies in a folder of Ada and is called as Ben; its only line names both."""
    storage.write("landing/of_ada/ben.csv", b"user_id\nada ben\n")

    erasure = erase_from_landing(storage, People([ADA, Person("ben"), Person("cy")]))

    assert (erasure.rows, erasure.renamed) == (1, 1)
    assert erasure.rows_by_person == {"ada": 1, "ben": 1}
    assert erasure.renamed_by_person == {"ada": 1, "ben": 1}


def test_a_manifest_forgets_the_name_of_a_file_that_is_gone_and_a_reason_that_names_the_person(
    storage,
):
    listed = f"{DAY}/part-0.parquet"
    storage.write(listed, parquet("ben"))
    storage.write(f"{DAY}/part-1.parquet", parquet("ben"))
    storage.write("landing/export/of_ada.csv", b"x")
    close_days(storage, MARCH_1)
    storage.delete("landing/export/of_ada.csv")
    withdraw(storage, listed, reason="ada complained", actor="ben", now=NOON)
    withdraw(storage, f"{DAY}/part-1.parquet", reason="twice", actor="ben", now=NOON)

    erase_from_landing(storage, ADA)

    manifest = read_manifest(storage, MARCH_1)
    assert [one.path for one in manifest.not_taken] == ["landing/export/of_erased.csv"]
    assert manifest.withdrawn[listed] == ERASED
    assert manifest.withdrawn[f"{DAY}/part-1.parquet"].startswith("twice (ben")


@pytest.mark.parametrize(
    "user_id",
    ["part", "parquet", "listens", "landing", "0", "2026", "version", "ARROW", "schema", "PAR1"],
)
def test_an_id_that_is_a_common_word_harms_nobody_else(settings, storage, night, user_id):
    """Its rows go; files keep their names, and an unreadable file of others its bytes."""
    path, broken = f"{DAY}/part-0.parquet", f"{DAY}/part-1.parquet"
    storage.write(path, parquet(user_id, "ben"))
    cut = parquet("cy", "dee")[:-12] + b"PAR1"
    storage.write(broken, cut)
    close_days(storage, MARCH_1)
    person = suppression.suppress(settings, user_id)

    assert erase_from_landing(storage, person).rows == 1

    assert paths(storage) == [path, broken]
    assert user_ids(storage, path) == ["ben"]
    assert storage.read(broken) == cut
    assert [file.path for _, file in arrived_files(storage, "listens", [MARCH_1])] == [path, broken]
    close_landing(night)
    assert paths(storage) == [path, broken]


def test_a_file_that_ends_its_reader_is_searched_as_bytes_and_others_are_erased(
    storage, deadly_footers
):
    def deadly(*users):
        sink = io.BytesIO()
        rows = pa.table({"user_id": list(users)}).replace_schema_metadata({"x": "deadly footer"})
        pq.write_table(rows, sink, compression="none")
        return sink.getvalue()

    storage.write(f"{DAY}/a.parquet", deadly("ada", "ben"))
    storage.write(f"{DAY}/b.parquet", deadly("ben"))
    storage.write(f"{DAY}/c.parquet", parquet("ada", "ben"))
    close_days(storage, MARCH_1)

    erasure = erase_from_landing(storage, ADA)

    assert (erasure.rows, erasure.files) == (1, 2)
    assert storage.read(f"{DAY}/a.parquet") == b""
    assert storage.read(f"{DAY}/b.parquet") == deadly("ben")
    assert user_ids(storage, f"{DAY}/c.parquet") == ["ben"]
    assert len(arrived_files(storage, "listens", [MARCH_1])) == 3


NO_UTF8 = pa.array([b"f-bin\xff", b"ada", b"ben"]).view(pa.string())
FAR = pa.array([10**15] * 3).cast(pa.timestamp("s"))
IDS = pa.array(["cy", "ada", "ben"])
ODD_COLUMNS = {
    "text that is no UTF-8": pa.table({"user_id": NO_UTF8}),
    "a category of text that is no UTF-8": pa.table({"user_id": NO_UTF8.dictionary_encode()}),
    "times beyond Python's years": pa.table({"user_id": IDS, "user_since": FAR.cast("timestamp[us]", safe=False)}),
    "times beyond Python's years beside the id": pa.table({"x": pa.StructArray.from_arrays([FAR.cast("timestamp[us]", safe=False), IDS], ["at", "id"])}),
    "two columns of one name": pa.Table.from_arrays([pa.array(["x", "y", "z"]), IDS], ["user_id", "user_id"]),
}  # fmt: skip


@pytest.mark.parametrize("rows", ODD_COLUMNS.values(), ids=ODD_COLUMNS)
def test_values_that_python_cannot_hold_end_no_erasure(storage, rows):
    """One of three rows is ada's."""
    sink = io.BytesIO()
    pq.write_table(rows, sink)
    storage.write(f"{DAY}/part-0.parquet", sink.getvalue())

    assert erase_from_landing(storage, ADA).rows == 1

    left = pq.read_metadata(io.BytesIO(storage.read(f"{DAY}/part-0.parquet")))
    assert left.num_rows == 2
    assert b"ada" not in storage.read(f"{DAY}/part-0.parquet")


def test_what_somebody_is_writing_is_left_to_its_writer(storage):
    """Replaced, it would get its name with our bytes; delete_leftovers sees to it."""
    storage.write(f"{DAY}/.writing-1", b"half ada")

    erase_from_landing(storage, ADA)

    assert storage.read(f"{DAY}/.writing-1") == b"half ada"


def test_a_manifest_without_the_person_stays_as_it_is(storage):
    storage.write(f"{DAY}/part-0.parquet", parquet("ben"))
    storage.write("landing/misplaced.csv", b"ben")
    close_days(storage, MARCH_1)
    before = storage.read(manifest_path(MARCH_1))

    erase_from_landing(storage, ADA)

    assert storage.read(manifest_path(MARCH_1)) == before
    assert json.loads(before)["not_taken"]
