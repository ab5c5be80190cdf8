"""Rows of a landing file as JSON, for raw_rejects: any column, any type, column by column in Arrow.

Bytes are base64, times and dates text, numbers that JSON lacks (NaN) text too.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

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
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    found = column.type
    if pa.types.is_integer(found):
        text = column.cast(pa.string())
    elif pa.types.is_boolean(found):
        text = pc.if_else(column, "true", "false")
    elif pa.types.is_temporal(found) and not pa.types.is_interval(found):
        text = _quoted(column.cast(pa.string()))
    elif pa.types.is_string(found) and _is_plain(column):
        text = _quoted(column)
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
    except UnicodeDecodeError:
        value = scalar.as_buffer().to_pybytes()
    except (ValueError, OverflowError):
        value = str(scalar)
    return json.dumps(_jsonable(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _jsonable(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {str(key): _jsonable(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(one) for one in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    return value if isinstance(value, float) and abs(value) < float("inf") else str(value)
