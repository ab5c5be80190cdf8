"""What a value of any Arrow type means in the contract's type: the table of landing_values.py."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from feature_store.contract import Column, Kind
from jobs.raw.steps.column_conversion import convert
from jobs.raw.steps.landing_values import MOST_TEXT_BYTES

ID = Column("user_id", Kind.STRING, "An id.")
COUNT = Column("listen_count", Kind.LONG, "A count.")
PLAYED = Column("played_ms", Kind.LONG, "A time.", "ms")
SHORT = Column("track_duration_ms", Kind.INT, "A time.", "ms")
VALENCE = Column("valence", Kind.DOUBLE, "A fraction.", "-1..1")
FLAG = Column("is_active", Kind.BOOL, "A flag.")
DAY = Column("released_date", Kind.DATE, "A day.")
MOMENT = Column("listened_at_utc", Kind.TIMESTAMP, "A time.", "UTC")
CONTENT = Column("lyrics_bytes", Kind.BINARY, "Bytes.")

NOON = datetime(2024, 2, 29, 12, tzinfo=UTC)
UUID = uuid.UUID("12345678-1234-5678-1234-567812345678")

TAKEN = [
    (ID, pa.array([7, None], pa.uint64()), ["7", None]),
    (ID, pa.array([2**64 - 1], pa.uint64()), [str(2**64 - 1)]),
    (ID, pa.array([7.0, float("nan")], pa.float64()), ["7", None]),
    (ID, pa.array([Decimal("7.00")]), ["7"]),
    (ID, pa.array([b"ann", "né".encode()], pa.binary()), ["ann", "né"]),
    (ID, pa.array([b"ann"], pa.binary(3)), ["ann"]),
    (ID, pa.array(["ann", "ann", None]).dictionary_encode(), ["ann", "ann", None]),
    (ID, pa.array(["ann"], pa.large_string()), ["ann"]),
    (ID, pa.array(["ann"], pa.string_view()), ["ann"]),
    (ID, pa.ExtensionArray.from_storage(pa.uuid(), pa.array([UUID.bytes], pa.binary(16))), [str(UUID)]),
    (ID, pa.nulls(2), [None, None]),
    (COUNT, pa.array([5, None], pa.int8()), [5, None]),
    (COUNT, pa.array([5.0, float("nan")]), [5, None]),
    (COUNT, pa.array([" 5 ", "+7", "8.0", ""]), [5, 7, 8, None]),
    (COUNT, pa.array([Decimal("5.0")]), [5]),
    (PLAYED, pa.array([5.9, -0.5]), [5, -1]),
    (VALENCE, pa.array([-0.25, None, float("nan")]), [-0.25, None, None]),
    (VALENCE, pa.array([0.5], pa.float32()), [0.5]),
    (VALENCE, pa.array([1, None], pa.int8()), [1.0, None]),
    (VALENCE, pa.array([" -0.25 ", ".5", "+1", "5e-1", "1.", ""]), [-0.25, 0.5, 1.0, 0.5, 1.0, None]),
    (VALENCE, pa.array([Decimal("-0.25")]), [-0.25]),
    (FLAG, pa.array([True, False, None]), [True, False, None]),
    (FLAG, pa.array([1.0, 0.0]), [True, False]),
    (FLAG, pa.array([1, 0], pa.int8()), [True, False]),
    (FLAG, pa.array(["TRUE", "no", " t ", "0", ""]), [True, False, True, False, None]),
    (DAY, pa.array([date(2024, 2, 29)], pa.date64()), [date(2024, 2, 29)]),
    (DAY, pa.array(["2024-02-29", "2024-02-29T23:30:00-05:00"]), [date(2024, 2, 29), date(2024, 3, 1)]),
    (DAY, pa.array([datetime(2024, 3, 1, 4, 30, tzinfo=UTC)], pa.timestamp("ms", "America/New_York")), [date(2024, 3, 1)]),
    (DAY, pa.array([date.min, date.max]), [date.min, date.max]),
    (MOMENT, pa.array([NOON], pa.timestamp("ns")), [NOON]),
    (MOMENT, pa.array([NOON.replace(tzinfo=None)], pa.timestamp("s")), [NOON]),
    (MOMENT, pa.array([NOON], pa.timestamp("ms", "Asia/Kolkata")), [NOON]),
    (MOMENT, pa.array(["2024-02-29 12:00:00", "2024-02-29T12:00:00Z", "2024-02-29T14:00+02:00", "2024-02-29 12:00:00 UTC"]), [NOON] * 4),
    (MOMENT, pa.array([date(2024, 2, 29)]), [datetime(2024, 2, 29, tzinfo=UTC)]),
    (CONTENT, pa.array(["la"]), [b"la"]),
    (MOMENT, pa.array([int(NOON.timestamp())]).view(pa.timestamp("s", "UTC+1")), [NOON]),
    (ID, pa.array([2**24 - 1], pa.float32()), [str(2**24 - 1)]),
    (FLAG, pa.array(["1.0", "0.0", "0"]), [True, False, False]),
]  # fmt: skip

REFUSED = [
    (ID, pa.array([1.5]), "wrong_type", "user_id = 1.5, which is no STRING"),
    (ID, pa.array([True]), "wrong_type", "user_id = True"),
    (ID, pa.array([["a", "b"]]), "wrong_type", "user_id = ['a', 'b']"),
    (ID, pa.array([date(2024, 2, 29)]), "wrong_type", "user_id = 2024-02-29"),
    (ID, pa.array([float("inf")]), "wrong_type", "user_id = inf"),
    (ID, pa.array([b"f-bin\xff"]), "not_utf8", "user_id = f-bin\\xff, which is no UTF-8"),
    (ID, pa.array([b"f-bin\xff"]).view(pa.string()), "not_utf8", "user_id = f-bin\\xff"),
    (ID, pa.array(["f\0odd"]), "not_utf8", "user_id = f\\0odd, which holds a NUL character"),
    (ID, pa.array(["f\0odd"]).dictionary_encode(), "not_utf8", "user_id = f\\0odd"),
    (ID, pa.array(["x" * (MOST_TEXT_BYTES + 1)]), "out_of_range", "user_id = xxx"),
    (COUNT, pa.array([1.5]), "wrong_type", "listen_count = 1.5, which is no BIGINT: only whole"),
    (COUNT, pa.array(["soon"]), "wrong_type", "listen_count = soon, which is no BIGINT"),
    (COUNT, pa.array([True]), "wrong_type", "listen_count = True"),
    (COUNT, pa.array([2**63], pa.uint64()), "out_of_range", "listen_count = 9223372036854775808"),
    (COUNT, pa.array(["1_000"]), "wrong_type", "listen_count = 1_000"),
    (VALENCE, pa.array(["-0,25"]), "wrong_type", "valence = -0,25, which is no DOUBLE"),
    (VALENCE, pa.array(["nan"]), "wrong_type", "valence = nan, which is no DOUBLE"),
    (VALENCE, pa.array(["1_0"]), "wrong_type", "valence = 1_0"),
    (VALENCE, pa.array([float("inf")]), "wrong_type", "valence = inf, which is no DOUBLE: only finite"),
    (VALENCE, pa.array(["1e999"]), "wrong_type", "valence = 1e999"),
    (VALENCE, pa.array([True]), "wrong_type", "valence = True"),
    (VALENCE, pa.array([date(2024, 2, 29)]), "wrong_type", "valence = 2024-02-29"),
    (SHORT, pa.array([2**31]), "out_of_range", "track_duration_ms = 2147483648"),
    (SHORT, pa.array([float("inf")]), "wrong_type", "track_duration_ms = inf"),
    (FLAG, pa.array([2]), "wrong_type", "is_active = 2"),
    (FLAG, pa.array(["maybe"]), "wrong_type", "is_active = maybe"),
    (DAY, pa.array([20240229]), "wrong_type", "released_date = 20240229"),
    (DAY, pa.array(["20240229"]), "wrong_type", "released_date = 20240229"),
    (DAY, pa.array(["0000-00-00"]), "wrong_type", "released_date = 0000-00-00"),
    (DAY, pa.array([3_000_000], pa.int32()).view(pa.date32()), "out_of_range", "released_date = "),
    (MOMENT, pa.array([1_709_208_000]), "wrong_type", "listened_at_utc = 1709208000, which is no TIMESTAMP: seconds or milli"),
    (MOMENT, pa.array([2**62], pa.int64()).view(pa.timestamp("s")), "out_of_range", "listened_at_utc = "),
    (MOMENT, pa.array(["soon"]), "wrong_type", "listened_at_utc = soon"),
    (MOMENT, pa.array([5], pa.time64("us")), "wrong_type", "listened_at_utc = "),
    (CONTENT, pa.array([5]), "wrong_type", "lyrics_bytes = 5"),
    (ID, pa.array([2.0**53]), "out_of_range", "user_id = 9007199254740992.0, which is a float too large"),
    (ID, pa.array([2.0**24], pa.float32()), "out_of_range", "user_id = 16777216.0"),
    (COUNT, pa.array([2.0**60]), "out_of_range", "listen_count = 1.15"),
    (ID, pa.ListArray.from_arrays([0, 1], pa.array([b"\xff"]).view(pa.string())), "wrong_type", "user_id = a list<"),
    (ID, pa.array([1], pa.int64()).view(pa.timestamp("us", "Nowhere/Land")), "wrong_type", "user_id = 1970-01-01"),
    (ID, pa.array([{"a": 1}], pa.struct([("a", pa.int64())])), "wrong_type", "user_id = {'a': 1}"),
]  # fmt: skip


@pytest.mark.parametrize(("column", "arrived", "expected"), TAKEN)
def test_a_value_means_what_people_mean_by_it(column, arrived, expected):
    """Whether the whole column is taken at once, or a refused value makes each be looked at."""
    converted = convert(arrived, column)

    assert converted.problems == {}
    assert converted.values.type == column.kind.arrow
    assert converted.values.to_pylist() == expected


@pytest.mark.parametrize(("column", "arrived", "reason", "detail"), REFUSED)
def test_a_value_without_a_meaning_is_refused_with_the_value(column, arrived, reason, detail):
    converted = convert(arrived, column)

    assert converted.values.to_pylist() == [None]
    assert converted.problems[0].reason == reason
    assert converted.problems[0].detail.startswith(detail)
    assert len(converted.problems[0].detail) < 300


def test_one_refused_value_changes_no_other():
    """A column with a refused value is read value by value, to the same result."""
    for column, arrived, expected in TAKEN:
        if pa.types.is_null(arrived.type) or isinstance(arrived, pa.ExtensionArray):
            continue
        bad = next(
            (one[1] for one in REFUSED if one[0] == column and one[1].type == arrived.type), None
        )
        if bad is not None:
            converted = convert(pa.concat_arrays([arrived, bad]), column)
            assert converted.values.to_pylist() == [*expected, None]
            assert list(converted.problems) == [len(expected)]
