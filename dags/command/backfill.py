"""A backfill: nights of past dates, planned before they are run.

The plan says of each date what exists, what the run would leave behind for readers, how long it is
likely to take by the nights that were run so far, and what stands in the way.
"""

from __future__ import annotations

import pkgutil
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable

from dags.policy.schedule import NIGHTLY_BEGINS
from feature_store.lake.arrow_io import read_table
from feature_store.lake.delta_tables import exists
from feature_store.lake.storage import open_storage
from feature_store.publishing.snapshot import Event, current_event, events
from feature_store.settings import Settings
from feature_store.tables.runs import RUN_METRICS

_NIGHTLY_TAKES = timedelta(hours=4)  # until 06:00, when it must have been published


class DayNotOver(ValueError):
    """A night covers whole days, and this one is not over yet."""


class BackfillRefused(ValueError):
    """A range of dates cannot be run."""


@dataclass(frozen=True, slots=True)
class PlannedNight:
    """What a backfill would do for one date.

    Attributes:
        exists: what earlier runs of the date left, for people.
        publish: mode of the run: auto, stage_only or make_current.
        outcome: what it leaves in published_runs when no gate stops it.
        expected_s: median of the nights so far; None before the first one.
        expected_bytes: likewise, of new data files.
        conflicts: what another run might be doing with the date; empty when nothing is.
    """

    as_of: date
    exists: str
    publish: str
    outcome: str
    expected_s: float | None
    expected_bytes: int | None
    conflicts: str

    def as_json(self) -> dict[str, Any]:
        """For other programs."""
        return {
            "as_of": self.as_of.isoformat(),
            "exists": self.exists,
            "outcome": self.outcome,
            "expected_s": self.expected_s,
            "expected_bytes": self.expected_bytes,
            "conflicts": self.conflicts,
        }


def planned(
    settings: Settings, first: date, last: date, publish: str, now: datetime
) -> tuple[PlannedNight, ...]:
    """The nights of `first` to `last`, both included, in order.

    `make_current` on a range switches readers once, at its last date.

    Raises:
        BackfillRefused: the range is empty, or begins before anything landed.
        DayNotOver: it reaches past yesterday.
    """
    days = _days(settings, first, last, now)
    so_far = events(settings.lake)
    seconds, added_bytes = _typical_night(settings.lake)
    nights = []
    begins = now
    for day in days:
        ends = begins + timedelta(seconds=seconds or 0)
        mode = "stage_only" if publish == "make_current" and day != last else publish
        nights.append(
            PlannedNight(
                as_of=day,
                exists=_existing([event for event in so_far if event.as_of == day]),
                publish=mode,
                outcome=_outcome(current_event(so_far), day, mode),
                expected_s=seconds,
                expected_bytes=added_bytes,
                conflicts=_conflicts(day, begins, ends),
            )
        )
        begins = ends
    return tuple(nights)


def refuse_unfinished(as_of: date, now: datetime) -> None:
    """Let only days through that are over, in UTC.

    Raises:
        DayNotOver: names the newest day that is.
    """
    newest = now.date() - timedelta(days=1)
    if as_of > newest:
        raise DayNotOver(
            f"night of {as_of}: the day is not over yet (rule: a night covers whole UTC days; the "
            f"newest one is {newest}); give that date or an earlier one"
        )


def show(nights: Sequence[PlannedNight], console: Console) -> None:
    """The plan as a table, and its total."""
    table = RichTable("date", "exists", "would be", "minutes", "MB", "conflicts", box=None)
    for night in nights:
        table.add_row(
            str(night.as_of),
            night.exists,
            night.outcome,
            _shown(night.expected_s, 60),
            _shown(night.expected_bytes, 1e6),
            night.conflicts or "none",
        )
    console.print(table)
    seconds = [night.expected_s for night in nights if night.expected_s is not None]
    total = f", about {sum(seconds) / 60:.1f} minutes" if seconds else ""
    console.print(f"{len(nights)} nights{total}; each computes every table of its date anew, and")
    console.print("features only of content that no earlier night has seen")


def _days(settings: Settings, first: date, last: date, now: datetime) -> list[date]:
    if last < first:
        raise BackfillRefused(f"backfill: {last} lies before {first}; give the earlier date first")
    refuse_unfinished(last, now)
    landed = pkgutil.resolve_name("jobs.landing.manifests:first_landing_day")(
        open_storage(settings.lake)
    )
    if landed is None or first < landed:
        raise BackfillRefused(
            f"backfill: nothing landed up to {first} in {settings.lake}/landing (first day: "
            f"{landed or 'none'}); bring it in with `evensong ingest`, or begin later"
        )
    return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]


def _existing(of_day: Sequence[Event]) -> str:
    """The newest event of a date, for people."""
    if not of_day:
        return "nothing"
    newest = max(of_day, key=lambda event: event.event_number)
    return f"{newest.action}, event {newest.event_number}, run {newest.run_id}"


def _outcome(current: Event | None, day: date, mode: str) -> str:
    """What the run leaves for readers, by the rule of feature_store.publishing.publish."""
    goes_back = current is not None and day < current.as_of
    if mode == "stage_only" or (mode == "auto" and goes_back):
        return "staged"
    return "published, readers go back" if goes_back else "published"


def _conflicts(day: date, begins: datetime, ends: datetime) -> str:
    """What the scheduled runs are likely to be at while the night of this date runs."""
    scheduled = datetime.combine(begins.date(), NIGHTLY_BEGINS, begins.tzinfo)
    while scheduled <= ends + _NIGHTLY_TAKES:
        if begins < scheduled + _NIGHTLY_TAKES:
            at = f"the nightly run of {scheduled:%Y-%m-%d %H:%M} UTC"
            is_same = scheduled.date() == day + timedelta(days=1)
            return f"{at} covers this very date" if is_same else f"beside {at}: tables take turns"
        scheduled += timedelta(days=1)
    return ""


def _typical_night(lake: str) -> tuple[float | None, int | None]:
    """Median seconds and bytes of the runs that wrote every published table."""
    if not exists(lake, RUN_METRICS):
        return None, None
    runs: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in read_table(lake, RUN_METRICS).to_pylist():
        runs[row["run_id"]].append(row)
    whole = [rows for rows in runs.values() if _is_whole(rows)]
    if not whole:
        return None, None
    seconds = median(sum(row["elapsed_s"] for row in rows) for rows in whole)
    return seconds, int(median(sum(row["added_bytes"] for row in rows) for rows in whole))


def _is_whole(rows: Sequence[dict[str, Any]]) -> bool:
    return "rec_changes" in {row["task"] for row in rows}


def _shown(value: float | None, unit: float) -> str:
    return "unknown" if value is None else f"{value / unit:.1f}"
