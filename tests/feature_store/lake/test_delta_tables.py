"""How a table's columns may change under its readers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pyarrow as pa
import pytest

from feature_store.contract import Column, ContractError, Kind, Table, Time, Within
from feature_store.lake import arrow_io, spark_io
from feature_store.lake.delta_tables import ensure_table

NAME = Column("name", Kind.STRING, "Who.")
COUNT = Column("listen_count", Kind.LONG, "How often.")
PEOPLE = Table("core_people", "People.", (NAME, COUNT), key=("name",), time=Time.NONE)
MOOD = Column("mood", Kind.STRING, "How they feel.").or_null("when they did not say")
WITH_MOOD = replace(PEOPLE, columns=(*PEOPLE.columns, MOOD))


@pytest.fixture
def lake(settings):
    """Ann is there, in the shape without moods."""
    rows = pa.table({"name": ["ann"], "listen_count": [3]}, PEOPLE.arrow_schema)
    arrow_io.append(settings.lake, PEOPLE, rows)
    return settings.lake


def test_a_column_that_may_be_null_is_added_and_reads_as_null_before(spark, lake):
    """Both readers, at the newest version and at the one that readers may have pinned before."""
    before = ensure_table(lake, PEOPLE).version()

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
    ("columns", "said"),
    [
        ((NAME,), r"takes away \['listen_count'\]"),
        ((NAME, replace(COUNT, kind=Kind.STRING)), r"changes the type of \['listen_count'\]"),
        ((NAME, COUNT, replace(MOOD, is_nullable=False)), r"adds \['mood'\] that may not be null"),
    ],
)
def test_a_change_that_would_break_readers_is_refused(lake, columns, said):
    with pytest.raises(ContractError, match=said):
        ensure_table(lake, replace(PEOPLE, columns=columns))


def test_a_table_that_many_make_at_once_is_made_once_and_whole(settings):
    """Delta turns the second of two away who set rules at once; nobody may lose a night to that."""
    ruled = replace(PEOPLE, gates=(Within("listen_count", 0, 9),))

    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda _: ensure_table(settings.lake, ruled), range(6)))

    assert {frozenset(one.metadata().configuration.items()) for one in made} == {
        frozenset(ensure_table(settings.lake, ruled).metadata().configuration.items())
    }
    too_many = pa.table({"name": ["ann"], "listen_count": [10]}, ruled.arrow_schema)
    with pytest.raises(Exception, match="listen_count"):
        arrow_io.append(settings.lake, ruled, too_many)


def test_a_rule_that_the_contract_changed_is_changed_in_the_table(settings):
    """Up to 9 becomes up to 10: 10 is let in, 11 is not, and looking again changes nothing."""
    ensure_table(settings.lake, replace(PEOPLE, gates=(Within("listen_count", 0, 9),)))
    wider = replace(PEOPLE, gates=(Within("listen_count", 0, 10),))
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


def test_no_log_entry_goes_by_itself(lake):
    """A version that readers have pinned can be opened however long ago it was written."""
    assert ensure_table(lake, PEOPLE).metadata().configuration["delta.enableExpiredLogCleanup"] == "false"  # fmt: skip
