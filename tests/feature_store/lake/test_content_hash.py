"""The content hash of Arrow rows: one for each set of rows, whatever their order and batches."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from hashlib import sha256
from math import inf, nan
from struct import unpack

import pyarrow as pa
import pytest

from feature_store.contract import Column, Kind, Table, Time
from feature_store.lake.content_hash import ArrowFingerprint, arrow_content_sha256

KEY = Column("number", Kind.LONG, "Number of the row.")
ANY = [kind for kind in Kind if kind not in {Kind.PINS, Kind.GATE_RESULTS}]
VALUES = {
    Kind.STRING: ["", "a", "b", "aa", "0"],
    Kind.INT: [0, 1, -1, 256],
    Kind.LONG: [0, 1, -1, 2**40],
    Kind.FLOAT: [0.0, -0.0, 1.0, nan, inf, -inf],
    Kind.DOUBLE: [0.0, -0.0, 1.0, 1.0 + 2**-52, nan, inf, -inf],
    Kind.BOOL: [False, True],
    Kind.DATE: [date(1970, 1, 1), date(1970, 1, 2), date(1969, 12, 31)],
    Kind.TIMESTAMP: [datetime(2026, 3, 1, 0, 0, 0, us, tzinfo=UTC) for us in (0, 1)],
    Kind.BINARY: [b"", b"\0", b"\0\0", b"a"],
    Kind.FLOATS: [[], [0.0], [0.0, 0.0], [None], [nan], [1.0, 2.0], [2.0, 1.0]],
    Kind.DOUBLES: [[], [0.0], [0.0, 0.0], [None], [nan], [1.0, 2.0], [2.0, 1.0]],
    Kind.STRINGS: [[], [""], [None], ["a", "b"], ["ab"], ["b", "a"]],
    Kind.COUNTS: [
        [],
        [{"name": "a", "row_count": 1}],
        [{"name": "a", "row_count": None}],
        [{"name": None, "row_count": 1}],
        [None],
    ],
}


def table_of(kind):
    value = Column("value", kind, "Any value.").or_null("sometimes")
    return Table("feat_value", "Values.", (KEY, value), key=("number",), time=Time.NONE)


def rows_of(kind, *values):
    rows = {"number": range(len(values)), "value": values}
    return pa.table(rows, schema=table_of(kind).arrow_schema)


def hash_of(kind, *batches):
    fingerprint = ArrowFingerprint(table_of(kind))
    for batch in batches:
        fingerprint.update(batch)
    return fingerprint.digest()


@pytest.mark.parametrize("kind", VALUES)
def test_no_two_values_of_a_kind_have_the_same_hash(kind):
    """Among them null, NaN, both zeros, empty texts and lists, and lists with a null."""
    values = [*VALUES[kind], None]

    hashes = {arrow_content_sha256(table_of(kind), rows_of(kind, value)) for value in values}

    assert len(hashes) == len(values)


def test_every_kind_that_a_content_column_may_have_is_covered():
    assert set(VALUES) == set(ANY)


@pytest.mark.parametrize("kind", VALUES)
def test_order_and_batches_do_not_change_the_hash(kind):
    rows = rows_of(kind, *VALUES[kind], None)
    [whole] = rows.combine_chunks().to_batches()
    backwards = whole.take(pa.array(range(rows.num_rows))[::-1])

    assert hash_of(kind, whole) == arrow_content_sha256(table_of(kind), rows)
    assert hash_of(kind, backwards) == hash_of(kind, whole)
    assert hash_of(kind, whole.slice(1), whole.slice(0, 1)) == hash_of(kind, whole)
    assert hash_of(kind, *[whole.slice(row, 1) for row in range(rows.num_rows)]) == hash_of(
        kind, whole
    )


def test_a_changed_a_duplicated_and_a_missing_row_change_the_hash():
    [rows] = rows_of(Kind.STRING, "a", "b", "c").to_batches()
    [changed] = rows_of(Kind.STRING, "a", "b", "d").to_batches()
    [swapped] = rows_of(Kind.STRING, "b", "a", "c").to_batches()
    others = [
        hash_of(Kind.STRING),
        hash_of(Kind.STRING, changed),
        hash_of(Kind.STRING, swapped),
        hash_of(Kind.STRING, rows, rows.slice(2)),
        hash_of(Kind.STRING, rows.slice(0, 2)),
        hash_of(Kind.STRING, rows, rows),
    ]

    assert hash_of(Kind.STRING, rows) not in others
    assert len(set(others)) == len(others)


def test_the_bytes_under_a_null_do_not_count():
    """A null may stand over any bytes: 7 here, and 0 in the other array."""
    over_seven = pa.Array.from_buffers(
        pa.int64(), 1, [pa.py_buffer(b"\0"), pa.py_buffer((7).to_bytes(8, "little"))]
    )
    with_bytes = rows_of(Kind.LONG, None).set_column(1, "value", over_seven)

    assert with_bytes["value"].to_pylist() == [None]
    assert arrow_content_sha256(table_of(Kind.LONG), with_bytes) == arrow_content_sha256(
        table_of(Kind.LONG), rows_of(Kind.LONG, None)
    )


def test_the_hash_adds_the_sha256_of_each_row():
    """Recorded hashes stay comparable: rows 0 and 1 with the values 5 and null, by hand."""
    five = b"\1" + (0).to_bytes(8, "little") + b"\1" + (5).to_bytes(8, "little")
    null = b"\1" + (1).to_bytes(8, "little") + b"\0" + bytes(8)
    parts = [unpack("<4Q", sha256(row).digest()) for row in (five, null)]
    sums = [(first + second) % 2**64 for first, second in zip(*parts, strict=True)]
    expected = sha256(json.dumps([["number", "value"], 2, sums]).encode()).hexdigest()

    assert arrow_content_sha256(table_of(Kind.LONG), rows_of(Kind.LONG, 5, None)) == expected
