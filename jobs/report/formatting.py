"""Formatting of numbers, dates and names: the filters of the templates."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime

_KILO = 1000.0
_MINUTE_S = 60.0
_HOUR_S = 3600.0
_SMALLEST_SHOWN_PERCENT = 0.1
_NO_BREAK = "\u00a0"
_METRICS = {
    "recall_at_10": "Recall@10",
    "ndcg_at_10": "nDCG@10",
    "mrr": "MRR",
    "coverage": "Coverage",
    "novelty": "Novelty",
}


def count(value: float) -> str:
    """17632 → "17,632"."""
    return f"{value:,.0f}"


def metric_value(value: float) -> str:
    """A metric or score with 3 decimals: 0.21449 → "0.214"."""
    return f"{value:.3f}"


def gate_value(value: float) -> str:
    """A gate's value: an integer in full, any other number with 4 significant digits."""
    return count(value) if float(value).is_integer() else f"{value:.4g}"


def signed(value: float) -> str:
    """An integer with its sign, the minus as U+2212: -4 → "−4"."""
    return f"{value:+,.0f}".replace("-", "−")


def percent(ratio: float) -> str:
    """0.9321 → "93.2 %"; above 0 and below 0.1 % → "<0.1 %"."""
    value = ratio * 100
    if 0 < value < _SMALLEST_SHOWN_PERCENT:
        return f"<0.1{_NO_BREAK}%"
    digits = 0 if value in {0.0, 100.0} else 1
    return f"{value:.{digits}f}{_NO_BREAK}%"


def ratio(part: float, whole: float) -> float:
    """`part` divided by `whole`; 0 where `whole` is 0."""
    return part / whole if whole else 0.0


def multiple(value: float, baseline: float) -> str:
    """Multiple of a baseline: (0.3, 0.2) → "1.50×"; "" where the baseline is 0."""
    return f"{value / baseline:.2f}×" if baseline else ""


def duration(elapsed_s: float) -> str:
    """0.42 → "0.4 s"; 125 → "2 min 05 s"; 7384 → "2 h 03 min"."""
    if elapsed_s < _MINUTE_S:
        return f"{elapsed_s:.1f}{_NO_BREAK}s"
    if elapsed_s < _HOUR_S:
        minutes, seconds = divmod(round(elapsed_s), 60)
        return f"{minutes}{_NO_BREAK}min {seconds:02d}{_NO_BREAK}s"
    n_hours, minutes = divmod(round(elapsed_s / 60), 60)
    return f"{n_hours}{_NO_BREAK}h {minutes:02d}{_NO_BREAK}min"


def byte_size(byte_count: float) -> str:
    """1234567 → "1.2 MB", in powers of 1000."""
    for unit in ("B", "kB", "MB", "GB"):
        if byte_count < _KILO:
            digits = 0 if unit == "B" else 1
            return f"{byte_count:.{digits}f}{_NO_BREAK}{unit}"
        byte_count /= _KILO
    return f"{byte_count:,.1f}{_NO_BREAK}TB"


def long_date(value: date) -> str:
    """date(2026, 3, 1) → "1 March 2026"."""
    return f"{value.day}\u00a0{value:%B %Y}"


def date_and_time(value: datetime) -> str:
    """Date and time to the minute: "1 March 2026, 21:05 UTC"."""
    utc = value.astimezone(UTC)
    return f"{long_date(utc.date())}, {utc:%H:%M}\u00a0UTC"


def short_time(value: datetime) -> str:
    """UTC time of a listen without the year: "1 Mar, 21:05"."""
    utc = value.astimezone(UTC)
    return f"{utc.day}\u00a0{utc:%b, %H:%M}"


def spaced(value: str) -> str:
    """A value with spaces: "missing_value" → "missing value"."""
    return value.replace("_", " ")


def metric_name(name: str) -> str:
    """A metric's name as papers write it: "recall_at_10" → "Recall@10"."""
    return _METRICS.get(name, spaced(name))


def hue(text: str) -> int:
    """A hue in degrees, derived from `text`: an artist always has the same colour."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:4], 16) % 360


FILTERS = {
    function.__name__: function
    for function in (
        count,
        metric_value,
        gate_value,
        signed,
        percent,
        ratio,
        multiple,
        duration,
        byte_size,
        long_date,
        date_and_time,
        short_time,
        spaced,
        metric_name,
        hue,
    )
}
