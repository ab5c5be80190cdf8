"""Rows of a landing file as JSON, for raw_rejects: any column, any type, column by column in Arrow.

Ids stand there as landing_values.py takes them, or an erasure would not find them: bytes of UTF-8
and UUIDs as text, whole decimals as numbers. Other bytes are base64, times and dates text, numbers
that JSON lacks (NaN) text too. A value of more than a mebibyte is cut; the file has it whole.
"""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from jobs.raw.steps.landing_values import MOST_TEXT_BYTES

_TO_ESCAPE = r'[\x00-\x1f"\\\x7f]'


def rows_as_json(batch: pa.RecordBatch) -> pa.Array:
    """One JSON object for each row, in the order of the columns, of which there is at least one."""
    parts = []
    for position, (name, column) in enumerate(zip(batch.schema.names, batch.columns, strict=True)):
        opening = ("," if position else "{") + json.dumps(name, ensure_ascii=False) + ":"
        parts += [pa.scalar(opening), _as_json(column)]
    return pc.binary_join_element_wise(*parts, "}", "")


def _as_json(column: pa.Array) -> pa.Array:
    """JSON text of each value; "null" for null."""
    if isinstance(column, pa.ExtensionArray) and column.type.extension_name != "arrow.uuid":
        column = column.storage
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    found = column.type
    if pa.types.is_timestamp(found) and found.tz is not None:  # a zone that may be unknown here
        found = pa.timestamp(found.unit, "UTC")
        column = column.view(found)
    if pa.types.is_nested(found) and column.nbytes > MOST_TEXT_BYTES:
        return pa.array([json.dumps(f"{found}, too large to show")] * len(column), pa.string())
    if pa.types.is_integer(found):
        text = column.cast(pa.string())
    elif pa.types.is_boolean(found):
        text = pc.if_else(column, "true", "false")
    elif pa.types.is_temporal(found) and not pa.types.is_interval(found):
        text = _quoted(column.cast(pa.string()))
    elif pa.types.is_string(found) and _is_plain(column):
        text = _quoted(pc.utf8_slice_codeunits(column, 0, MOST_TEXT_BYTES))
    else:
        text = pa.array([_one_as_json(scalar) for scalar in column], pa.string())
    return pc.fill_null(text, "null")


def _is_plain(texts: pa.Array) -> bool:
    """Whether the texts are UTF-8 and need no escaping."""
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return not pc.any(pc.match_substring_regex(texts, _TO_ESCAPE)).as_py()


def _quoted(texts: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise('"', texts, '"', "")


def _one_as_json(scalar: pa.Scalar) -> str | None:
    if not scalar.is_valid:
        return None
    try:
        value = scalar.as_py()
    except (ValueError, OverflowError, LookupError, AttributeError, pa.ArrowException):
        is_text = isinstance(scalar, pa.StringScalar | pa.LargeStringScalar)
        value = scalar.as_buffer().to_pybytes() if is_text else f"a {scalar.type}"
    return json.dumps(_jsonable(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _jsonable(value: Any) -> Any:
    if isinstance(value, bytes):
        return _text_or_base64(value[:MOST_TEXT_BYTES])
    if isinstance(value, str):
        return value[:MOST_TEXT_BYTES]
    if isinstance(value, Decimal) and value.is_finite() and value == int(value):
        return int(value)
    if isinstance(value, dict):
        return {str(key): _jsonable(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(one) for one in value]
    if value is None or isinstance(value, bool | int):
        return value
    return value if isinstance(value, float) and abs(value) < float("inf") else str(value)


def _text_or_base64(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return base64.b64encode(content).decode()
