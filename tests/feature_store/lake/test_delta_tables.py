"""Delta tables are created from contracts, and evolve without breaking readers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from pyarrow.fs import LocalFileSystem, S3FileSystem

from feature_store.contract import Column, ContractError, Kind, Table, Time, Within
from feature_store.lake import arrow_io, spark_io
from feature_store.lake.delta_tables import ensure_table, open_dataset

NAME = Column("name", Kind.STRING, "Name of the listener.")
COUNT = Column("listen_count", Kind.LONG, "Number of listens.")
LISTENERS = Table("core_listeners", "Listeners.", (NAME, COUNT), key=("name",), time=Time.NONE)
MOOD = Column("mood", Kind.STRING, "Mood of the listener.").or_null("when unknown")
WITH_MOOD = replace(LISTENERS, columns=(*LISTENERS.columns, MOOD))


@pytest.fixture
def lake(settings):
    """The table holds Ann and has no column for the mood."""
    rows = pa.table({"name": ["ann"], "listen_count": [3]}, LISTENERS.arrow_schema)
    arrow_io.append(settings.lake, LISTENERS, rows)
    return settings.lake


def test_a_new_nullable_column_reads_as_null_in_earlier_rows(spark, lake):
    """With both readers, at the newest version and at a version before the change."""
    before = ensure_table(lake, LISTENERS).version()

    rows = pa.table(
        {"name": ["bob"], "listen_count": [5], "mood": ["glad"]}, WITH_MOOD.arrow_schema
    )
    arrow_io.append(lake, WITH_MOOD, rows)

    ann, bob = ({"name": "ann", "listen_count": 3, "mood": None}, rows.to_pylist()[0])
    assert arrow_io.read_table(lake, WITH_MOOD).to_pylist() == [ann, bob]
    assert arrow_io.read_table(lake, WITH_MOOD, version=before).to_pylist() == [ann]
    by_spark = spark_io.read(spark, lake, WITH_MOOD).orderBy("name").collect()
    assert [row.asDict() for row in by_spark] == [ann, bob]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ((NAME,), r"takes away \['listen_count'\]"),
        ((NAME, replace(COUNT, kind=Kind.STRING)), r"changes the type of \['listen_count'\]"),
        ((NAME, COUNT, replace(MOOD, is_nullable=False)), r"adds \['mood'\] that may not be null"),
    ],
)
def test_a_change_that_would_break_readers_is_refused(lake, columns, message):
    with pytest.raises(ContractError, match=message):
        ensure_table(lake, replace(LISTENERS, columns=columns))


def test_concurrent_creators_make_one_table_with_all_constraints(settings):
    """Delta refuses the second of two concurrent schema changes, which must not fail a night."""
    ruled = replace(LISTENERS, constraints=(Within("listen_count", 0, 9),))

    with ThreadPoolExecutor(6) as pool:
        created = list(pool.map(lambda _: ensure_table(settings.lake, ruled), range(6)))

    assert {frozenset(opened.metadata().configuration.items()) for opened in created} == {
        frozenset(ensure_table(settings.lake, ruled).metadata().configuration.items())
    }
    too_many = pa.table({"name": ["ann"], "listen_count": [10]}, ruled.arrow_schema)
    with pytest.raises(Exception, match="listen_count"):
        arrow_io.append(settings.lake, ruled, too_many)


def test_a_changed_rule_of_the_contract_replaces_the_constraint(settings):
    """Up to 9 becomes up to 10: Delta accepts 10 and refuses 11; a second call changes nothing."""
    ensure_table(settings.lake, replace(LISTENERS, constraints=(Within("listen_count", 0, 9),)))
    wider = replace(LISTENERS, constraints=(Within("listen_count", 0, 10),))
    ten, eleven = (
        pa.table({"name": ["ann"], "listen_count": [count]}, wider.arrow_schema)
        for count in (10, 11)
    )

    changed = ensure_table(settings.lake, wider).version()
    assert ensure_table(settings.lake, wider).version() == changed
    arrow_io.append(settings.lake, wider, ten)
    assert arrow_io.read_table(settings.lake, wider)["listen_count"].to_pylist() == [10]
    with pytest.raises(Exception, match="listen_count"):
        arrow_io.append(settings.lake, wider, eleven)


def test_log_entries_never_expire(lake):
    """A pinned version can be opened at any age."""
    assert ensure_table(lake, LISTENERS).metadata().configuration["delta.enableExpiredLogCleanup"] == "false"  # fmt: skip


def test_a_dataset_reads_through_arrows_file_system_under_any_path(tmp_path):
    """A file system in Python lets a process that exits right after a scan abort, now and then."""
    address = str(tmp_path / "a lake, é")
    rows = {"artist": ["a b", "c/d", "é%20", "x=y"], "count": [1, 2, 3, 4]}
    write_deltalake(address, pa.table(rows), partition_by=["artist"])

    dataset = open_dataset(DeltaTable(address))

    assert dataset.to_table().sort_by("count").to_pydict() == rows
    assert type(dataset.filesystem.base_fs) is LocalFileSystem


def test_a_dataset_in_a_bucket_reads_through_arrows_s3(bucket):
    address = f"s3://{bucket}/a lake/table"
    rows = {"artist": ["a b", "c/d", "é%20", "x=y"], "count": [1, 2, 3, 4]}
    write_deltalake(address, pa.table(rows), partition_by=["artist"])

    dataset = open_dataset(DeltaTable(address))

    assert dataset.to_table().sort_by("count").to_pydict() == rows
    assert type(dataset.filesystem.base_fs) is S3FileSystem


def test_no_other_module_opens_a_dataset_of_a_delta_table():
    root = Path(__file__).parents[3]
    using = {
        path.relative_to(root).as_posix()
        for package in ("dags", "feature_store", "jobs", "training")
        for path in (root / package).rglob("*.py")
        if ".to_pyarrow_" in path.read_text()
    }
    assert using == {"feature_store/lake/delta_tables.py"}
