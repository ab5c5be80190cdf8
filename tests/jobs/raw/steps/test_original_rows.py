"""Rows of any types as JSON."""

from __future__ import annotations

import json
from datetime import date

import pyarrow as pa

from jobs.raw.steps.original_rows import rows_as_json


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
            "bad_text": pa.array([b"\xff", None, b"a"]).view(pa.string()),
            "dictionary": pa.array(["a", "a", None]).dictionary_encode(),
        }
    )

    first, second, third = [json.loads(text) for text in rows_as_json(batch).to_pylist()]

    assert first == {
        'a "name"': 'x\\"y\n\0', "number": 1, "float": 1.5, "flag": True, "day": "2024-02-29",
        "odd_day": first["odd_day"], "list": ["a", "b"], "struct": {"x": "/w=="}, "bytes": "//4=",
        "bad_text": "/w==", "dictionary": "a",
    }  # fmt: skip
    assert set(second.values()) == {None, "nan", False, "a"}
    assert (third['a "name"'], third["float"], third["list"], third["day"]) == (
        "é", "inf", [], "0001-01-01",
    )  # fmt: skip
