"""One value of a landing file in the contract's type: the only place that says what it means.

    contract   also taken                                        refused
    text       whole numbers (7, 7.0 and 7.00 are "7"),          other numbers, booleans, times,
               bytes of UTF-8, UUIDs                             lists, NUL, what is no UTF-8
    whole      numbers in text, 7.0; of milliseconds the         other fractions, booleans, times
    number     fraction is dropped
    fraction   numbers, in text too (0.5, .5, 5e-1)              infinity, booleans, times
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
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from feature_store.contract import Column, Kind
from feature_store.tables.raw import RejectReason

MOST_TEXT_BYTES = 1 << 20
"""Of one text or one file of lyrics; longer ones are refused, or a few would fill the memory."""

_SHOWN_CHARACTERS = 100
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?", re.ASCII)
_FRACTION = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TRUE, _FALSE = {"true", "t", "yes", "y", "1"}, {"false", "f", "no", "n", "0"}
EXACT_BELOW = {pa.float16(): 2**11, pa.float32(): 2**24, pa.float64(): 2**53}
"""From here on neighbouring whole numbers are one float."""
BOUNDS: dict[Kind, tuple[int, int]] = {
    Kind.INT: (-(2**31), 2**31 - 1),
    Kind.LONG: (-(2**63), 2**63 - 1),
}


class Refused(ValueError):
    """The value has no meaning in the contract's type."""

    def __init__(self, rule: str, reason: RejectReason = RejectReason.WRONG_TYPE) -> None:
        super().__init__(rule)
        self.reason = reason


def read_value(scalar: pa.Scalar, column: Column, *, is_text: bool) -> Any:
    """The value in the type of `column`; None for null, NaN, and blank where no text is expected.

    Args:
        scalar: as it arrived.
        column: of the contract.
        is_text: whether the bytes of `scalar` arrived as text.

    Raises:
        Refused: the value has no meaning in that type.
    """
    value = _python_value(scalar, is_text=is_text)
    return None if value is None else _READERS[column.kind](value, column)


def _python_value(scalar: pa.Scalar, *, is_text: bool) -> Any:
    """The value; None for null and NaN. Text comes as str, bytes as bytes."""
    try:
        value = scalar.as_py()
    except _NOT_IN_PYTHON as error:
        if pa.types.is_temporal(scalar.type):
            raise Refused("lies outside the years 1 to 9999", RejectReason.OUT_OF_RANGE) from error
        raise Refused("cannot be read") from error
    if isinstance(value, float):
        if math.isnan(value):
            return None
        if EXACT_BELOW[scalar.type] <= abs(value) < math.inf:
            raise Refused("is a float too large to be exact", RejectReason.OUT_OF_RANGE)
    return _decoded(value) if is_text and value is not None else value


def _check_length(value: bytes) -> None:
    if len(value) > MOST_TEXT_BYTES:
        raise Refused(
            f"has {len(value):,} bytes; at most {MOST_TEXT_BYTES:,}", RejectReason.OUT_OF_RANGE
        )


def _decoded(value: bytes) -> str:
    _check_length(value)
    try:
        text = value.decode()
    except UnicodeDecodeError as error:
        raise Refused("is no UTF-8", RejectReason.NOT_UTF8) from error
    if "\0" in text:
        raise Refused("holds a NUL character", RejectReason.NOT_UTF8)
    return text


def _text(value: Any, column: Column) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return _decoded(value)
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return str(_whole(value, column))
    raise Refused(f"is no {column.kind.sql}")


def _number(value: Any, column: Column) -> int | None:
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return None
        if not _NUMBER.fullmatch(text):
            raise Refused(f"is no {column.kind.sql}")
        value = Decimal(text)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise Refused(f"is no {column.kind.sql}")
    is_finite = not isinstance(value, float) or math.isfinite(value)
    number = math.floor(value) if column.unit == "ms" and is_finite else _whole(value, column)
    lowest, highest = BOUNDS[column.kind]
    if not lowest <= number <= highest:
        raise Refused(f"is beyond {column.kind.sql}", RejectReason.OUT_OF_RANGE)
    return number


def _whole(value: float | Decimal, column: Column) -> int:
    is_finite = value.is_finite() if isinstance(value, Decimal) else math.isfinite(value)
    if not is_finite or value != math.floor(value):
        raise Refused(f"is no {column.kind.sql}: only whole numbers are")
    return math.floor(value)


def _fraction(value: Any, column: Column) -> float | None:
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return None
        value = float(text) if _FRACTION.fullmatch(text) else value
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise Refused(f"is no {column.kind.sql}")
    if not math.isfinite(value):
        raise Refused(f"is no {column.kind.sql}: only finite numbers are")
    return float(value)


def _boolean(value: Any, column: Column) -> bool | None:
    if isinstance(value, str):
        word = value.strip().lower()
        if not word or word in _TRUE | _FALSE:
            return word in _TRUE if word else None
        value = Decimal(word) if _NUMBER.fullmatch(word) else value
    if isinstance(value, int | float | Decimal) and value in {0, 1}:
        return bool(value)
    raise Refused(f"is no {column.kind.sql}")


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
            raise Refused(f"is no {column.kind.sql}")
        value = _from_iso(datetime.fromisoformat, text, column)
    if isinstance(value, datetime):
        try:
            return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
        except OverflowError as error:
            raise Refused("lies outside the years 1 to 9999", RejectReason.OUT_OF_RANGE) from error
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    hint = ": seconds or milliseconds? Send a time" if isinstance(value, int | float) else ""
    raise Refused(f"is no {column.kind.sql}{hint}")


def _from_iso(parse: Callable[[str], Any], text: str, column: Column) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        raise Refused(f"is no {column.kind.sql}") from error


def _bytes(value: Any, column: Column) -> bytes:
    content = value.encode() if isinstance(value, str) else value
    if not isinstance(content, bytes):
        raise Refused(f"is no {column.kind.sql}")
    _check_length(content)
    return content


def shown(scalar: pa.Scalar) -> str:
    """The start of a value for a message, without characters that a text column cannot hold."""
    try:
        value = scalar.as_py()
    except _NOT_IN_PYTHON:
        return str(scalar.value) if pa.types.is_temporal(scalar.type) else f"a {scalar.type}"
    if isinstance(value, bytes):
        value = value[:_SHOWN_CHARACTERS].decode(errors="backslashreplace")
    return str(value)[:_SHOWN_CHARACTERS].replace("\0", "\\0")


_NOT_IN_PYTHON = (ValueError, OverflowError, LookupError, AttributeError, pa.ArrowException)
"""What pyarrow raises for a value that Python has no object for: years, zones, field names."""

_READERS: dict[Kind, Callable[[Any, Column], Any]] = {
    Kind.STRING: _text,
    Kind.INT: _number,
    Kind.LONG: _number,
    Kind.DOUBLE: _fraction,
    Kind.BOOL: _boolean,
    Kind.DATE: _day,
    Kind.TIMESTAMP: _moment,
    Kind.BINARY: _bytes,
}
