"""The one check of a run's day against the clock.

A run of a day far ahead would become current, and every later night would only be staged, because
its day is earlier than the day that readers see.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta


class DayAhead(ValueError):
    """A run's day lies further ahead than any clock or time zone can explain."""


def newest_as_of(now: datetime) -> date:
    """Tomorrow in UTC, the newest day that a run may cover.

    Not today: this machine's clock may be behind the scheduler's.
    """
    return now.date() + timedelta(days=1)


def check_as_of(as_of: date, now: datetime) -> None:
    """Refuse a day later than `newest_as_of`.

    Raises:
        DayAhead: names the day and the newest day that is allowed.
    """
    newest = newest_as_of(now)
    if as_of > newest:
        raise DayAhead(
            f"night of {as_of}: the day lies ahead (rule: at most tomorrow in UTC, {newest}); "
            "nothing was written; give the day that the night covers, or set this machine's clock"
        )
