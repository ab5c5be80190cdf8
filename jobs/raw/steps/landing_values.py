"""One column of a landing file in the contract's type: the only place that says what a value means.

    contract   also taken                                        refused
    text       whole numbers (7, 7.0 and 7.00 are "7"),          other numbers, booleans, times,
               bytes of UTF-8, UUIDs                             lists, NUL, what is no UTF-8
    number     numbers in text, 7.0; of milliseconds the         other fractions, booleans, times
               fraction is dropped
    boolean    0, 1, 0.0, 1.0, also in text; true, t, yes, y     other numbers and words
               and their opposites in any case
    date       times (their day in UTC), ISO text                numbers
    time       times of any unit, dates (midnight), ISO text     numbers
    bytes      text                                              everything else

Floats that are too large to be exact are refused: two ids would be one. Text is taken as it is:
" ann " is not "ann". Times without a zone are UTC. Null, NaN, and blank text where no text is
expected are absent.
Numbers never become dates or times: 1,709,208,000 may be seconds or milliseconds.
"""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from feature_store.contract import Column, Kind
from feature_store.tables.raw import RejectReason

MOST_TEXT_BYTES = 1 << 20
"""Of one text or one file of lyrics; longer ones are refused, or a few would fill the memory."""

_SHOWN_CHARACTERS = 100
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?", re.ASCII)
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TRUE, _FALSE = {"true", "t", "yes", "y", "1"}, {"false", "f", "no", "n", "0"}
_MICROSECONDS = Kind.TIMESTAMP.arrow
_EXACT_BELOW = {pa.float16(): 2**11, pa.float32(): 2**24, pa.float64(): 2**53}
"""From here on neighbouring whole numbers are one float."""
_BOUNDS: dict[Kind, tuple[int, int]] = {
    Kind.INT: (-(2**31), 2**31 - 1),
    Kind.LONG: (-(2**63), 2**63 - 1),
}
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


class _Refused(ValueError):
    """The value has no meaning in the contract's type."""

    def __init__(self, rule: str, reason: RejectReason = RejectReason.WRONG_TYPE) -> None:
        super().__init__(rule)
        self.reason = reason


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
    if kind in _BOUNDS and pa.types.is_floating(found):
        arrived = pc.if_else(pc.is_nan(arrived), pa.scalar(None, found), arrived)
        if not _is_exact(arrived):
            return None
        return arrived.cast(kind.arrow)  # raises for a fraction
    if kind in _BOUNDS and pa.types.is_integer(found):
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
    return found["max"] is None or found["max"] < _EXACT_BELOW[floats.type]


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
    read = _READERS[column.kind]
    values, problems = list[Any](), dict[int, Problem]()
    for row, scalar in enumerate(found):
        try:
            value = _python_value(scalar, is_text=is_text)
            values.append(None if value is None else read(value, column))
        except _Refused as refused:
            values.append(None)
            problems[row] = Problem(
                refused.reason, f"{column.name} = {_shown(scalar)}, which {refused}"
            )
    return Converted(pa.array(values, column.kind.arrow), problems)


def _python_value(scalar: pa.Scalar, *, is_text: bool) -> Any:
    """The value; None for null and NaN. Text comes as str, bytes as bytes."""
    try:
        value = scalar.as_py()
    except _NOT_IN_PYTHON as error:
        if pa.types.is_temporal(scalar.type):
            raise _Refused("lies outside the years 1 to 9999", RejectReason.OUT_OF_RANGE) from error
        raise _Refused("cannot be read") from error
    if isinstance(value, float):
        if math.isnan(value):
            return None
        if _EXACT_BELOW[scalar.type] <= abs(value) < math.inf:
            raise _Refused("is a float too large to be exact", RejectReason.OUT_OF_RANGE)
    return _decoded(value) if is_text and value is not None else value


def _check_length(value: bytes) -> None:
    if len(value) > MOST_TEXT_BYTES:
        raise _Refused(
            f"has {len(value):,} bytes; at most {MOST_TEXT_BYTES:,}", RejectReason.OUT_OF_RANGE
        )


def _decoded(value: bytes) -> str:
    _check_length(value)
    try:
        text = value.decode()
    except UnicodeDecodeError as error:
        raise _Refused("is no UTF-8", RejectReason.NOT_UTF8) from error
    if "\0" in text:
        raise _Refused("holds a NUL character", RejectReason.NOT_UTF8)
    return text


def _text(value: Any, column: Column) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return _decoded(value)
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return str(_whole(value, column))
    raise _Refused(f"is no {column.kind.sql}")


def _number(value: Any, column: Column) -> int | None:
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return None
        if not _NUMBER.fullmatch(text):
            raise _Refused(f"is no {column.kind.sql}")
        value = Decimal(text)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise _Refused(f"is no {column.kind.sql}")
    is_finite = not isinstance(value, float) or math.isfinite(value)
    number = math.floor(value) if column.unit == "ms" and is_finite else _whole(value, column)
    lowest, highest = _BOUNDS[column.kind]
    if not lowest <= number <= highest:
        raise _Refused(f"is beyond {column.kind.sql}", RejectReason.OUT_OF_RANGE)
    return number


def _whole(value: float | Decimal, column: Column) -> int:
    is_finite = value.is_finite() if isinstance(value, Decimal) else math.isfinite(value)
    if not is_finite or value != math.floor(value):
        raise _Refused(f"is no {column.kind.sql}: only whole numbers are")
    return math.floor(value)


def _boolean(value: Any, column: Column) -> bool | None:
    if isinstance(value, str):
        word = value.strip().lower()
        if not word or word in _TRUE | _FALSE:
            return word in _TRUE if word else None
        value = Decimal(word) if _NUMBER.fullmatch(word) else value
    if isinstance(value, int | float | Decimal) and value in {0, 1}:
        return bool(value)
    raise _Refused(f"is no {column.kind.sql}")


def _day(value: Any, column: Column) -> date | None:
    if isinstance(value, str) and len(value.strip()) == len("2024-02-29"):
        day: date = _from_iso(date.fromisoformat, value.strip(), column)
        return day
    moment = _moment(value, column)
    return moment.date() if moment is not None else None


def _moment(value: Any, column: Column) -> datetime | None:
    """In UTC."""
    if isinstance(value, str):
        text = value.strip().removesuffix("UTC").strip()
        if not text:
            return None
        if not _ISO_DATE.match(text):
            raise _Refused(f"is no {column.kind.sql}")
        value = _from_iso(datetime.fromisoformat, text, column)
    if isinstance(value, datetime):
        try:
            return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
        except OverflowError as error:
            raise _Refused("lies outside the years 1 to 9999", RejectReason.OUT_OF_RANGE) from error
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    hint = ": seconds or milliseconds? Send a time" if isinstance(value, int | float) else ""
    raise _Refused(f"is no {column.kind.sql}{hint}")


def _from_iso(parse: Callable[[str], Any], text: str, column: Column) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        raise _Refused(f"is no {column.kind.sql}") from error


def _bytes(value: Any, column: Column) -> bytes:
    content = value.encode() if isinstance(value, str) else value
    if not isinstance(content, bytes):
        raise _Refused(f"is no {column.kind.sql}")
    _check_length(content)
    return content


def _shown(scalar: pa.Scalar) -> str:
    """The start of a value for a message, without characters that a text column cannot hold."""
    try:
        value = scalar.as_py()
    except _NOT_IN_PYTHON:
        return str(scalar.value) if pa.types.is_temporal(scalar.type) else f"a {scalar.type}"
    if isinstance(value, bytes):
        value = value[:_SHOWN_CHARACTERS].decode(errors="backslashreplace")
    return str(value)[:_SHOWN_CHARACTERS].replace("\0", "\\0")


def _is_text(found: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(found)
        or pa.types.is_large_string(found)
        or pa.types.is_string_view(found)
    )


def _is_bytes(found: pa.DataType) -> bool:
    is_fixed = bool(pa.types.is_fixed_size_binary(found))
    return is_fixed or found in {pa.binary(), pa.large_binary(), pa.binary_view()}


_NOT_IN_PYTHON = (ValueError, OverflowError, LookupError, AttributeError, pa.ArrowException)
"""What pyarrow raises for a value that Python has no object for: years, zones, field names."""

_READERS: dict[Kind, Callable[[Any, Column], Any]] = {
    Kind.STRING: _text,
    Kind.INT: _number,
    Kind.LONG: _number,
    Kind.BOOL: _boolean,
    Kind.DATE: _day,
    Kind.TIMESTAMP: _moment,
    Kind.BINARY: _bytes,
}
