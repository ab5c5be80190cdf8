"""One column of a landing file in the contract's type, with the rows whose value is refused.

A column in which nothing can be refused is cast at once. Otherwise each value is read by itself;
landing_values.py says what it means, and both ways give the same.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from feature_store.contract import Column, Kind
from feature_store.tables.raw import RejectReason
from jobs.raw.steps.landing_values import (
    BOUNDS,
    EXACT_BELOW,
    MOST_TEXT_BYTES,
    Refused,
    read_value,
    shown,
)

_MICROSECONDS = Kind.TIMESTAMP.arrow
# Years 1 to 9999, which every reader of the tables has.
_FIRST_DAY, _LAST_DAY = (date.min - date(1970, 1, 1)).days, (date.max - date(1970, 1, 1)).days
_DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Problem:
    """Why the value of a row cannot be taken, and the sentence for raw_rejects."""

    reason: RejectReason
    detail: str


@dataclass(frozen=True, slots=True)
class Converted:
    """The values in the contract's type, null where there is a problem; problems by row."""

    values: pa.Array
    problems: dict[int, Problem]


def convert(arrived: pa.Array, column: Column) -> Converted:
    """Values of one column of a batch, shape (n,), in the type of `column`."""
    plain = _plain(arrived)
    whole = _convert_whole(plain, column)
    return whole if whole is not None else _convert_each(plain, column)


def _plain(arrived: pa.Array) -> pa.Array:
    """Without dictionary, extension type and zone; UUIDs as text."""
    if isinstance(arrived, pa.ExtensionArray):
        storage = arrived.storage
        if arrived.type.extension_name != "arrow.uuid":
            return _plain(storage)
        return pa.array(
            [
                None if value is None else str(uuid.UUID(bytes=value))
                for value in storage.to_pylist()
            ],
            pa.string(),
        )
    if pa.types.is_dictionary(arrived.type):
        return _plain(arrived.dictionary_decode())
    if pa.types.is_timestamp(arrived.type) and arrived.type.tz is not None:
        # The zone changes no instant, and its writer's name for it may be unknown here.
        return arrived.view(pa.timestamp(arrived.type.unit, "UTC"))
    return arrived


def _convert_whole(arrived: pa.Array, column: Column) -> Converted | None:
    """The column at once, when nothing in it can be refused; None when each value must be seen."""
    try:
        values = _cast(arrived, column)
    except pa.ArrowInvalid:
        return None
    return Converted(values, {}) if values is not None else None


def _cast(arrived: pa.Array, column: Column) -> pa.Array | None:
    kind, found = column.kind, arrived.type
    if pa.types.is_null(found):
        return pa.nulls(len(arrived), kind.arrow)
    if kind is Kind.STRING and pa.types.is_integer(found):
        return arrived.cast(pa.string())
    if kind is Kind.STRING and _is_text(found):
        return _checked_text(arrived)
    if kind is Kind.BINARY and (_is_text(found) or _is_bytes(found)):
        values = arrived.cast(pa.binary())
        return values if _longest(values) <= MOST_TEXT_BYTES else None
    if kind in {*BOUNDS, Kind.DOUBLE} and pa.types.is_floating(found):
        arrived = pc.if_else(pc.is_nan(arrived), pa.scalar(None, found), arrived)
        if not _is_exact(arrived):
            return None
        return arrived.cast(kind.arrow)  # raises for a fraction of a whole number
    if kind in {*BOUNDS, Kind.DOUBLE} and pa.types.is_integer(found):
        return arrived.cast(kind.arrow)
    if kind is Kind.BOOL and pa.types.is_boolean(found):
        return arrived
    if kind in {Kind.DATE, Kind.TIMESTAMP} and pa.types.is_temporal(found):
        return _cast_time(arrived, kind)
    return None


def _cast_time(arrived: pa.Array, kind: Kind) -> pa.Array | None:
    """Dates and times; None when one lies outside the years 1 to 9999, or for another type."""
    if pa.types.is_date(arrived.type):
        days = arrived.cast(pa.date32())
    elif pa.types.is_timestamp(arrived.type):
        # From nanoseconds the cast divides and drops; from seconds it multiplies and may overflow.
        moments = arrived.cast(_MICROSECONDS, safe=arrived.type.unit != "ns")
        ticks = moments.cast(pa.int64())
        if not _is_within(ticks, _FIRST_DAY * _DAY_US, (_LAST_DAY + 1) * _DAY_US - 1):
            return None
        return (
            moments
            if kind is Kind.TIMESTAMP
            else moments.cast(pa.timestamp("us")).cast(pa.date32())
        )
    else:
        return None
    if not _is_within(days.cast(pa.int32()), _FIRST_DAY, _LAST_DAY):
        return None
    return days if kind is Kind.DATE else days.cast(pa.timestamp("us")).cast(_MICROSECONDS)


def _is_exact(floats: pa.Array) -> bool:
    """Whether every whole number among them is the one that was meant."""
    found = pc.min_max(pc.abs(floats.cast(pa.float64()))).as_py()
    return found["max"] is None or found["max"] < EXACT_BELOW[floats.type]


def _is_within(values: pa.Array, lowest: int, highest: int) -> bool:
    found = pc.min_max(values).as_py()
    return found["min"] is None or (found["min"] >= lowest and found["max"] <= highest)


def _checked_text(arrived: pa.Array) -> pa.Array | None:
    values = arrived.cast(pa.string())
    values.validate(full=True)  # raises for bytes that are no UTF-8
    has_nul = pc.any(pc.match_substring(values, "\0")).as_py()
    return None if has_nul or _longest(values) > MOST_TEXT_BYTES else values


def _longest(values: pa.Array) -> int:
    return pc.max(pc.binary_length(values)).as_py() or 0


def _convert_each(arrived: pa.Array, column: Column) -> Converted:
    # Text as bytes: Arrow does not check that a file's text is UTF-8, and fails on it later.
    found = arrived.cast(pa.large_binary()) if _is_text(arrived.type) else arrived
    is_text = _is_text(arrived.type)
    values, problems = list[Any](), dict[int, Problem]()
    for row, scalar in enumerate(found):
        try:
            values.append(read_value(scalar, column, is_text=is_text))
        except Refused as refused:
            values.append(None)
            problems[row] = Problem(
                refused.reason, f"{column.name} = {shown(scalar)}, which {refused}"
            )
    return Converted(pa.array(values, column.kind.arrow), problems)


def _is_text(found: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(found)
        or pa.types.is_large_string(found)
        or pa.types.is_string_view(found)
    )


def _is_bytes(found: pa.DataType) -> bool:
    is_fixed = bool(pa.types.is_fixed_size_binary(found))
    return is_fixed or found in {pa.binary(), pa.large_binary(), pa.binary_view()}
