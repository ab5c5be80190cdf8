"""Rows of any types as JSON."""

from __future__ import annotations

import json
import uuid
from datetime import date
from decimal import Decimal

import pyarrow as pa

from jobs.raw.steps.landing_values import MOST_TEXT_BYTES
from jobs.raw.steps.original_rows import rows_as_json

UUID = uuid.UUID("12345678-1234-5678-1234-567812345678")


def test_every_type_is_json_that_says_what_was_received():
    batch = pa.RecordBatch.from_pydict(
        {
            'a "name"': pa.array(['x\\"y\n\0', None, "é"]),
            "number": pa.array([1, None, -3]),
            "float": pa.array([1.5, float("nan"), float("inf")]),
            "flag": pa.array([True, False, None]),
            "day": pa.array([date(2024, 2, 29), None, date(1, 1, 1)]),
            "odd_day": pa.array([3_000_000, None, 0], pa.int32()).view(pa.date32()),
            "list": pa.array([["a", "b"], None, []]),
            "struct": pa.array([{"x": b"\xff"}, None, {"x": None}]),
            "bytes": pa.array([b"\xff\xfe", None, b""]),
            "id": pa.array([b"ann", None, b"bo"]),
            "uuid": pa.ExtensionArray.from_storage(
                pa.uuid(), pa.array([UUID.bytes, None, None], pa.binary(16))
            ),
            "decimal": pa.array([Decimal("7.00"), None, Decimal("0.50")]),
            "nowhere": pa.array([1, None, 2]).view(pa.timestamp("us", "Nowhere/Land")),
            "late": pa.ListArray.from_arrays(
                [0, 1, 1, 1], pa.array([2**62]).view(pa.timestamp("us"))
            ),
            "bad_list": pa.ListArray.from_arrays(
                [0, 1, 1, 1], pa.array([b"\xff"]).view(pa.string())
            ),
            "bad_text": pa.array([b"\xff", None, b"a"]).view(pa.string()),
            "dictionary": pa.array(["a", "a", None]).dictionary_encode(),
        }
    )

    first, second, third = [json.loads(text) for text in rows_as_json(batch).to_pylist()]

    assert first == {
        'a "name"': 'x\\"y\n\0', "number": 1, "float": 1.5, "flag": True, "day": "2024-02-29",
        "odd_day": first["odd_day"], "list": ["a", "b"], "struct": {"x": "/w=="}, "bytes": "//4=",
        "bad_text": "/w==", "dictionary": "a", "id": "ann", "uuid": str(UUID), "decimal": 7,
        "nowhere": "1970-01-01 00:00:00.000001Z", "late": "a list<item: timestamp[us]>",
        "bad_list": "a list<item: string>",
    }  # fmt: skip
    assert [value for value in second.values() if value not in (None, [])] == ["nan", False, "a"]
    assert (third['a "name"'], third["float"], third["list"], third["day"]) == (
        "é", "inf", [], "0001-01-01",
    )  # fmt: skip
    assert (third["id"], third["decimal"]) == ("bo", "0.50")


def test_a_value_of_many_megabytes_is_cut():
    batch = pa.RecordBatch.from_pydict(
        {"text": ["x" * (3 << 20)], "bytes": [b"y" * (3 << 20)], "list": [[0] * (1 << 20)]}
    )

    [row] = [json.loads(text) for text in rows_as_json(batch).to_pylist()]

    assert {len(row["text"]), len(row["bytes"])} == {MOST_TEXT_BYTES}
    assert row["list"].endswith("too large to show")
