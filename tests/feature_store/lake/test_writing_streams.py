"""A slice is written from a stream of batches, as a whole or one part of it, or not at all."""

from __future__ import annotations

import threading
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from datetime import date
from multiprocessing import get_context
from pathlib import Path

import pyarrow as pa
import pytest

from feature_store.contract import Column, ContractError, Kind, OneOf, RuleBroken, Table, Time
from feature_store.lake import arrow_io
from feature_store.lake.arrow_io import ROWS_A_BATCH, read_table, write_slice
from feature_store.lake.batch_stream import OpenedInStreamError, kept_on_disk, write_stream
from feature_store.lake.content_hash import arrow_content_sha256
from feature_store.lake.delta_tables import open_table
from feature_store.lake.lease import LeaseLost
from feature_store.tables import columns as c

MARCH_1, MARCH_2 = date(2026, 3, 1), date(2026, 3, 2)
PLAYS = Table(
    name="feat_plays",
    meaning="Plays by task.",
    columns=(
        c.AS_OF_DATE,
        Column("task", Kind.STRING, "What for."),
        Column("number", Kind.LONG, "Number of the row."),
        Column("mood", Kind.STRING, "How it feels.").or_null("at night"),
    ),
    key=("as_of_date", "task", "number"),
    time=Time.AS_OF,
    constraints=(OneOf("mood", ("calm", "wild")),),
)


def plays(*numbers, task="rank", day=MARCH_1, mood="calm"):
    """A batch of rows that differ in their number."""
    rows = [{"as_of_date": day, "task": task, "number": one, "mood": mood} for one in numbers]
    return pa.RecordBatch.from_pylist(rows, schema=PLAYS.arrow_schema)


def stored(lake):
    """(day, task, number) of every row, in key order."""
    rows = read_table(lake, PLAYS).to_pylist()
    return [(row["as_of_date"], row["task"], row["number"]) for row in rows]


def test_a_stream_replaces_its_slice_and_has_the_hash_of_its_rows(tmp_path):
    lake = str(tmp_path)
    write_slice(lake, PLAYS, iter([plays(7)]), as_of=MARCH_1)
    write_slice(lake, PLAYS, iter([plays(8, day=MARCH_2)]), as_of=MARCH_2)

    written = write_slice(lake, PLAYS, iter([plays(3, 1), plays(), plays(2)]), as_of=MARCH_1)

    assert stored(lake) == [
        (MARCH_1, "rank", 1),
        (MARCH_1, "rank", 2),
        (MARCH_1, "rank", 3),
        (MARCH_2, "rank", 8),
    ]
    assert written.row_count == 3
    assert written.content_sha256 == arrow_content_sha256(
        PLAYS, pa.Table.from_batches([plays(1, 2, 3)])
    )


def test_a_table_a_reader_and_batches_give_the_same_result(tmp_path):
    """Also when a batch is larger than those that the writer gets."""
    batch = plays(*range(ROWS_A_BATCH + 2))
    forms = [
        pa.Table.from_batches([batch]),
        pa.RecordBatchReader.from_batches(PLAYS.arrow_schema, [batch]),
        [batch.slice(0, 1), batch.slice(1)],
    ]

    written = [write_slice(str(tmp_path), PLAYS, rows, as_of=MARCH_1) for rows in forms]

    assert {(one.row_count, one.content_sha256) for one in written} == {
        (ROWS_A_BATCH + 2, written[0].content_sha256)
    }
    assert stored(str(tmp_path))[-1] == (MARCH_1, "rank", ROWS_A_BATCH + 1)


def test_the_added_bytes_are_those_of_the_new_files(tmp_path):
    lake = str(tmp_path)
    write_slice(lake, PLAYS, [plays(*range(1000), day=MARCH_2)], as_of=MARCH_2)

    written = write_slice(lake, PLAYS, [plays(1)], as_of=MARCH_1)

    [file] = [file for file in open_table(lake, PLAYS).file_uris() if "2026-03-01" in file]
    assert written.added_bytes == Path(file).stat().st_size


@pytest.mark.parametrize("rows", [[], pa.Table.from_batches([], PLAYS.arrow_schema)])
def test_a_stream_without_rows_empties_the_slice(tmp_path, rows):
    lake = str(tmp_path)
    write_slice(lake, PLAYS, [plays(1), plays(2)], as_of=MARCH_1)
    write_slice(lake, PLAYS, [plays(3, day=MARCH_2)], as_of=MARCH_2)

    assert write_slice(lake, PLAYS, rows, as_of=MARCH_1).row_count == 0
    assert stored(lake) == [(MARCH_2, "rank", 3)]


def test_a_part_replaces_only_its_rows_also_in_a_file_that_holds_others(tmp_path):
    lake = str(tmp_path)
    both = [plays(1, 2), plays(3, task="it's")]
    write_slice(lake, PLAYS, [pa.Table.from_batches(both).combine_chunks().to_batches()[0]], as_of=MARCH_1)  # fmt: skip
    write_slice(lake, PLAYS, [plays(4, day=MARCH_2)], as_of=MARCH_2)

    write_slice(lake, PLAYS, [plays(5)], as_of=MARCH_1, part={"task": "rank"})
    assert stored(lake) == [(MARCH_1, "it's", 3), (MARCH_1, "rank", 5), (MARCH_2, "rank", 4)]

    write_slice(lake, PLAYS, [plays(6, task="it's")], as_of=MARCH_1, part={"task": "it's"})
    assert stored(lake) == [(MARCH_1, "it's", 6), (MARCH_1, "rank", 5), (MARCH_2, "rank", 4)]


@pytest.mark.parametrize(
    ("second", "complaint"),
    [
        (plays(2, day=MARCH_2), r"as_of_date \['2026-03-02'\] in the slice of 2026-03-01"),
        (plays(2, task="other"), r"task \['other'\] in the slice of rank"),
        (plays(2).select(["as_of_date", "task"]), "the contract"),
    ],
)
def test_a_wrong_row_in_a_later_batch_leaves_the_earlier_slice(tmp_path, second, complaint):
    lake = str(tmp_path)
    write_slice(lake, PLAYS, [plays(7)], as_of=MARCH_1)

    with pytest.raises(ContractError, match=complaint):
        write_slice(lake, PLAYS, [plays(1), second], as_of=MARCH_1, part={"task": "rank"})

    assert stored(lake) == [(MARCH_1, "rank", 7)]


def test_a_table_without_rows_must_have_the_columns_of_the_contract(tmp_path):
    with pytest.raises(ContractError, match="the contract"):
        write_slice(str(tmp_path), PLAYS, pa.table({"number": []}), as_of=MARCH_1)


def test_a_part_by_a_column_that_may_be_null_is_refused(tmp_path):
    with pytest.raises(ContractError, match=r"\['mood'\] may be null"):
        write_slice(str(tmp_path), PLAYS, [plays(1)], as_of=MARCH_1, part={"mood": "calm"})


def test_batches_that_open_a_table_are_refused_before_anything_waits(tmp_path):
    """delta-rs could need the thread in which it waits for the batch; once in some runs nobody would go on."""
    lake = str(tmp_path)
    write_slice(lake, PLAYS, [plays(7)], as_of=MARCH_1)

    def reading():
        yield plays(1)
        read_table(lake, PLAYS)
        yield plays(2)

    with pytest.raises(OpenedInStreamError, match=r"^feat_plays: opened by what makes the batches"):
        write_slice(lake, PLAYS, reading(), as_of=MARCH_1)

    assert stored(lake) == [(MARCH_1, "rank", 7)]


def test_batches_that_read_tables_are_written_from_a_file(tmp_path):
    """All of them are made before the write begins, and the file is gone afterwards."""
    lake, state = str(tmp_path / "lake"), tmp_path / "state"
    write_slice(lake, PLAYS, [plays(7, day=MARCH_2)], as_of=MARCH_2)
    made = []

    def reading():
        for number in range(3):
            made.append(number)
            [_, _, seen] = stored(lake)[0]
            yield plays(seen + number)

    with kept_on_disk(PLAYS.arrow_schema, reading(), state) as kept:
        assert made == [0, 1, 2]
        assert not list(state.iterdir())
        write_slice(lake, PLAYS, kept, as_of=MARCH_1)

    assert stored(lake) == [
        (MARCH_1, "rank", 7),
        (MARCH_1, "rank", 8),
        (MARCH_1, "rank", 9),
        (MARCH_2, "rank", 7),
    ]


def test_a_reader_that_a_failed_write_has_abandoned_is_let_go(tmp_path):
    """delta-rs reads in threads of which it has as many as the machine has cores; two such writes took both."""
    readers = []

    def write(reader):
        readers.append(threading.Thread(target=_read_on, args=[reader], daemon=True))
        readers[-1].start()
        raise OSError("no space left on device")

    def endless():
        while True:
            yield plays(1)

    with pytest.raises(OSError, match="no space"):
        write_stream(write, PLAYS.arrow_schema, endless())

    readers[0].join(timeout=20)
    assert not readers[0].is_alive()


def _read_on(reader):
    with suppress(RuntimeError):  # the producer failed
        for _ in reader:
            pass


def test_an_error_of_the_producer_arrives_as_it_was_raised(tmp_path):
    lake = str(tmp_path)
    write_slice(lake, PLAYS, [plays(7)], as_of=MARCH_1)

    def failing():
        yield plays(1)
        raise OverflowError("no memory on the device")

    with pytest.raises(OverflowError, match="no memory on the device"):
        write_slice(lake, PLAYS, failing(), as_of=MARCH_1)

    assert stored(lake) == [(MARCH_1, "rank", 7)]


def test_a_broken_rule_ends_the_stream(tmp_path):
    """The producer would go on for ever."""
    lake = str(tmp_path)
    write_slice(lake, PLAYS, [plays(7)], as_of=MARCH_1)

    def endless():
        while True:
            yield plays(1, mood="angry")

    with pytest.raises(RuleBroken, match="mood_oneof"):
        write_slice(lake, PLAYS, endless(), as_of=MARCH_1)

    assert stored(lake) == [(MARCH_1, "rank", 7)]


def test_the_calling_thread_produces_the_batches(tmp_path):
    threads = []

    def batches():
        for number in range(3):
            threads.append(threading.current_thread())
            yield plays(number)

    write_slice(str(tmp_path), PLAYS, batches(), as_of=MARCH_1)

    assert threads == [threading.current_thread()] * 3


def test_before_commit_is_called_before_the_first_and_after_the_last_batch(tmp_path):
    lake, calls = str(tmp_path), []

    def batches():
        for number in (1, 2):
            calls.append(number)
            yield plays(number)

    write_slice(lake, PLAYS, batches(), as_of=MARCH_1, before_commit=lambda: calls.append("asked"))

    assert calls == ["asked", 1, 2, "asked"]


def test_before_commit_stops_the_write_at_its_end(tmp_path):
    lake, calls = str(tmp_path), []
    write_slice(lake, PLAYS, [plays(7)], as_of=MARCH_1)

    def erased_meanwhile():
        calls.append("asked")
        if len(calls) == 2:
            raise LookupError("a person was erased")

    with pytest.raises(LookupError, match="a person was erased"):
        write_slice(lake, PLAYS, [plays(1)], as_of=MARCH_1, before_commit=erased_meanwhile)

    assert calls == ["asked", "asked"]
    assert stored(lake) == [(MARCH_1, "rank", 7)]
    assert arrow_io.write_slice(lake, PLAYS, [plays(1)], as_of=MARCH_1).row_count == 1


@pytest.mark.parametrize(
    ("is_after_the_last_batch", "left"), [(False, []), (True, ["stray.parquet"])]
)
def test_a_stopped_stream_leaves_no_file_of_its_own(
    tmp_path, monkeypatch, is_after_the_last_batch, left
):
    """delta-rs has put a file into the folder when the stream stops; the earlier slice's file stays.

    After the last batch the commit may have been made, so that nothing is deleted any more.
    """
    lake = str(tmp_path)
    write_slice(lake, PLAYS, [plays(7)], as_of=MARCH_1)
    folder = tmp_path / "tables" / PLAYS.name / "as_of_date=2026-03-01"
    [kept] = folder.glob("*.parquet")

    def stopped(write, schema, batches):
        next(batches)
        if is_after_the_last_batch:
            assert list(batches) == []
        (folder / "stray.parquet").write_bytes(b"rows of an erased person")
        raise ConnectionError

    monkeypatch.setattr(arrow_io, "write_stream", stopped)

    with pytest.raises(ConnectionError):
        write_slice(lake, PLAYS, [plays(8)], as_of=MARCH_1)

    assert sorted(file.name for file in folder.glob("*.parquet")) == sorted([kept.name, *left])
    assert stored(lake) == [(MARCH_1, "rank", 7)]


def _write_as_successor(lake):
    write_slice(lake, PLAYS, [plays(8)], as_of=MARCH_1)


def test_a_writer_that_lost_its_lease_deletes_no_file_of_its_successor(tmp_path, monkeypatch):
    """It stood still for a minute, and the successor has committed: its files are new, too."""
    lake, lost = str(tmp_path), []
    write_slice(lake, PLAYS, [plays(7)], as_of=MARCH_1)

    @contextmanager
    def expiring_lease(_lake, name):
        def check_lease():
            if lost:
                raise LeaseLost(name)

        yield check_lease

    monkeypatch.setattr(arrow_io, "writer_lease", expiring_lease)

    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as other_machine:

        def overtaken():
            yield plays(1)
            other_machine.submit(_write_as_successor, lake).result()
            lost.append(True)

        with pytest.raises(LeaseLost, match="feat_plays"):
            write_slice(lake, PLAYS, overtaken(), as_of=MARCH_1)

    assert stored(lake) == [(MARCH_1, "rank", 8)]
