"""One commit replaces files: other files stay, readers see both sides, and the log names no value."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake.exceptions import CommitFailedError

from feature_store.lake.arrow_io import append, read_table, write_slice
from feature_store.lake.delta_tables import open_table
from feature_store.lake.file_replacement import (
    data_files,
    discard_staged,
    fragments,
    missing_files,
    read_file,
    replace_files,
    stage_file,
)
from feature_store.lake.spark_io import newest_day
from feature_store.tables import table_called

MARCH_1, MARCH_2 = date(2026, 3, 1), date(2026, 3, 2)
LISTENS, FOLLOWS = table_called("core_listens"), table_called("graph_user_follows_user")


def listens(*user_ids, day=MARCH_1):
    plain = dict.fromkeys(LISTENS.column_names) | {
        "track_id": "t", "listened_at_utc": datetime(2026, 3, 1, 12, 0, 0, 1, UTC), "played_ms": 7, "duration_ms": 14, "completion_ratio": 0.5,
        "is_organic": True, "session_id": "s", "known_from_date": day,
    }  # fmt: skip
    rows = [plain | {"user_id": one, "listen_id": f"{one}-{day}"} for one in user_ids]
    return pa.Table.from_pylist(rows, schema=LISTENS.arrow_schema)


def replaced(opened, table, path, kept):
    """Replace one file by its rows that `kept` says."""
    file = data_files(opened, table)[path]
    rows = (each.filter(kept(each)) for each in read_file(fragments(opened)[path], table))
    staged = stage_file(opened, table, file, rows)
    added = [staged] if staged is not None else []
    return staged, replace_files(opened, table, [file], added, note="t", marks={"m": "1"})


@pytest.fixture
def two_files(settings):
    append(settings.lake, LISTENS, listens("ada", "ben"))
    append(settings.lake, LISTENS, listens("cy", day=MARCH_2))
    return settings.lake


def test_a_replaced_file_leaves_the_other_one_and_the_earlier_version_as_they_were(two_files):
    opened = open_table(two_files, LISTENS)
    [first] = [path for path, one in fragments(opened).items() if one.count_rows() == 2]

    _, version = replaced(opened, LISTENS, first, lambda rows: pc.not_equal(rows["user_id"], "ada"))  # fmt: skip

    assert version == open_table(two_files, LISTENS).version()
    assert sorted(read_table(two_files, LISTENS)["user_id"].to_pylist()) == ["ben", "cy"]
    before = read_table(two_files, LISTENS, version=version - 1)["user_id"].to_pylist()
    assert sorted(before) == ["ada", "ben", "cy"]
    others = data_files(opened, LISTENS).keys() - {first}
    assert others < data_files(open_table(two_files, LISTENS), LISTENS).keys()


def test_a_file_without_a_row_left_goes_without_a_successor(two_files):
    opened = open_table(two_files, LISTENS)
    [second] = [path for path, one in fragments(opened).items() if one.count_rows() == 1]

    staged, _ = replaced(opened, LISTENS, second, lambda rows: pc.equal(rows["user_id"], "x"))  # fmt: skip

    assert staged is None
    assert read_table(two_files, LISTENS)["user_id"].to_pylist() == ["ada", "ben"]


def test_the_statistics_are_those_of_the_rows(two_files):
    """Readers skip files by them, and a night reads from them which days are there."""
    opened = open_table(two_files, LISTENS)
    [first] = [path for path, one in fragments(opened).items() if one.count_rows() == 2]
    staged, _ = replaced(opened, LISTENS, first, lambda rows: pc.not_equal(rows["user_id"], "ada"))  # fmt: skip

    [found] = [
        row
        for row in pa.table(open_table(two_files, LISTENS).get_add_actions(flatten=True)).to_pylist()
        if row["path"] == staged.path
    ]  # fmt: skip
    assert (found["num_records"], found["min.user_id"], found["max.user_id"]) == (1, "ben", "ben")
    assert (found["min.played_ms"], found["null_count.completion_ratio"]) == (7, 0)
    assert (found["min.known_from_date"], found["max.known_from_date"]) == (MARCH_1, MARCH_1)
    assert found["max.listened_at_utc"] >= datetime(2026, 3, 1, 12, 0, 0, 1, UTC)
    assert newest_day(two_files, LISTENS) == MARCH_2
    address = open_table(two_files, LISTENS).table_uri
    assert pl.scan_delta(address).filter(pl.col("user_id") == "ben").collect().height == 1


def test_a_partition_keeps_its_folder_and_its_value(settings):
    for day in (MARCH_1, MARCH_2):
        follows = [{"as_of_date": day, "user_id": user, "followed_user_id": "z", "followed_from_date": None} for user in ("ada", "ben")]  # fmt: skip
        write_slice(settings.lake, FOLLOWS, pa.Table.from_pylist(follows, schema=FOLLOWS.arrow_schema), as_of=day)  # fmt: skip
    opened = open_table(settings.lake, FOLLOWS)
    [first] = [path for path in fragments(opened) if "2026-03-01" in path]

    staged, _ = replaced(opened, FOLLOWS, first, lambda rows: pc.equal(rows["user_id"], "ben"))  # fmt: skip

    assert staged.path.startswith("as_of_date=2026-03-01/")
    rows = read_table(settings.lake, FOLLOWS).sort_by("as_of_date").select(["as_of_date", "user_id"])  # fmt: skip
    assert [tuple(row.values()) for row in rows.to_pylist()] == [
        (MARCH_1, "ben"), (MARCH_2, "ada"), (MARCH_2, "ben"),
    ]  # fmt: skip


def test_a_commit_that_lost_a_race_changes_nothing(two_files):
    opened = open_table(two_files, LISTENS)
    [first] = [path for path, one in fragments(opened).items() if one.count_rows() == 2]
    append(two_files, LISTENS, listens("dora"))

    with pytest.raises(CommitFailedError):
        replaced(opened, LISTENS, first, lambda rows: pc.equal(rows["user_id"], "ben"))

    assert sorted(read_table(two_files, LISTENS)["user_id"].to_pylist()) == ["ada", "ben", "cy", "dora"]  # fmt: skip


def test_a_staged_file_that_is_not_needed_is_deleted_and_one_that_stops_leaves_none(two_files):
    opened = open_table(two_files, LISTENS)
    [path] = [path for path, one in fragments(opened).items() if one.count_rows() == 2]
    file, folder = data_files(opened, LISTENS)[path], Path(opened.table_uri.removeprefix("file://"))
    before = sorted(folder.rglob("*.parquet"))

    def stops():
        yield listens("ben")
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        stage_file(opened, LISTENS, file, stops())
    assert sorted(folder.rglob("*.parquet")) == before

    staged = stage_file(opened, LISTENS, file, [listens("ben")])
    assert missing_files(opened, [staged.path]) == []
    discard_staged(opened, [staged.path])
    assert missing_files(opened, [staged.path]) == [staged.path]
    discard_staged(opened, [staged.path])  # as when a stopped writer has deleted it before
    assert sorted(folder.rglob("*.parquet")) == before
