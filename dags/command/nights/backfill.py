"""The plan of a backfill, printed before the nights of past dates run.

For each date the plan shows the newest event, the result for readers, the expected time and size
(the median of earlier nights), and the scheduled run that overlaps.
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

from dags.command.printed_text import shown
from dags.policy.schedule import NIGHTLY_START_UTC
from feature_store.lake.arrow_io import read_table
from feature_store.lake.delta_tables import exists
from feature_store.lake.storage import open_storage
from feature_store.publishing.snapshot import Event, current_event, events
from feature_store.settings import Settings
from feature_store.tables.runs import RUN_METRICS

_NIGHTLY_WINDOW = timedelta(hours=4)  # until 06:00, the deadline of publication


class DayNotOver(ValueError):
    """The day of a night is not over; a night covers whole UTC days."""


class BackfillRefused(ValueError):
    """A backfill cannot run a range of dates."""


@dataclass(frozen=True, slots=True)
class PlannedNight:
    """What a backfill would do for one date.

    Attributes:
        exists: text about the newest event of the date.
        publish: mode of the run: auto, stage_only or make_current.
        outcome: result in published_runs when no gate stops the run.
        expected_s: median seconds of the complete nights; None before the first one.
        expected_bytes: median size of their new data files; None before the first one.
        conflicts: text about the scheduled run that overlaps; empty without one.
    """

    as_of: date
    exists: str
    publish: str
    outcome: str
    expected_s: float | None
    expected_bytes: int | None
    conflicts: str

    def as_json(self) -> dict[str, Any]:
        """Return the plan of the date as printed by --json."""
        return {
            "as_of": self.as_of.isoformat(),
            "exists": self.exists,
            "outcome": self.outcome,
            "expected_s": self.expected_s,
            "expected_bytes": self.expected_bytes,
            "conflicts": self.conflicts,
        }


def plan_backfill(
    settings: Settings, first: date, last: date, publish: str, now: datetime
) -> tuple[PlannedNight, ...]:
    """Plan the nights from `first` to `last`, both included, in order.

    `make_current` on a range switches readers once, at its last date.

    Raises:
        BackfillRefused: the range is empty or begins before the first landing day.
        DayNotOver: the range ends after yesterday.
    """
    days = _days(settings, first, last, now)
    all_events = events(settings.lake)
    elapsed_s, added_bytes = _median_night(settings.lake)
    nights = []
    starts_at = now
    for day in days:
        ends_at = starts_at + timedelta(seconds=elapsed_s or 0)
        mode = "stage_only" if publish == "make_current" and day != last else publish
        nights.append(
            PlannedNight(
                as_of=day,
                exists=_newest_event([event for event in all_events if event.as_of == day]),
                publish=mode,
                outcome=_outcome(current_event(all_events), day, mode),
                expected_s=elapsed_s,
                expected_bytes=added_bytes,
                conflicts=_conflicts(day, starts_at, ends_at),
            )
        )
        starts_at = ends_at
    return tuple(nights)


def check_day_is_over(as_of: date, now: datetime) -> None:
    """Refuse a day that is not over in UTC.

    Raises:
        DayNotOver: names the newest day that is over.
    """
    newest = now.date() - timedelta(days=1)
    if as_of > newest:
        raise DayNotOver(
            f"night of {as_of}: the day is not over yet (rule: a night covers whole UTC days; the "
            f"newest one is {newest}); give that date or an earlier one"
        )


def print_plan(nights: Sequence[PlannedNight], console: Console) -> None:
    """Print the plan as a table with its total time."""
    table = RichTable("date", "exists", "would be", "minutes", "MB", "conflicts", box=None)
    for night in nights:
        table.add_row(
            str(night.as_of),
            shown(night.exists),
            shown(night.outcome),
            _format(night.expected_s, 60),
            _format(night.expected_bytes, 1e6),
            shown(night.conflicts or "none"),
        )
    console.print(table)
    seconds = [night.expected_s for night in nights if night.expected_s is not None]
    total = f", about {sum(seconds) / 60:.1f} minutes" if seconds else ""
    console.print(f"{len(nights)} nights{total}; each computes every table of its date again, but")
    console.print("features only of content that no earlier night has encoded")


def _days(settings: Settings, first: date, last: date, now: datetime) -> list[date]:
    if last < first:
        raise BackfillRefused(f"backfill: {last} lies before {first}; give the earlier date first")
    check_day_is_over(last, now)
    first_landed = pkgutil.resolve_name("jobs.landing.manifests:first_landing_day")(
        open_storage(settings.lake)
    )
    if first_landed is None or first < first_landed:
        raise BackfillRefused(
            f"backfill: nothing landed up to {first} in {settings.lake}/landing (first day: "
            f"{first_landed or 'none'}); bring it in with `evensong ingest`, or begin later"
        )
    return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]


def _newest_event(events_of_day: Sequence[Event]) -> str:
    """Describe the newest event of a date."""
    if not events_of_day:
        return "nothing"
    newest = max(events_of_day, key=lambda event: event.event_number)
    return f"{newest.action}, event {newest.event_number}, run {newest.run_id}"


def _outcome(current: Event | None, day: date, mode: str) -> str:
    """Predict the result for readers by the rule of feature_store.publishing.publish."""
    goes_back = current is not None and day < current.as_of
    if mode == "stage_only" or (mode == "auto" and goes_back):
        return "staged"
    return "published, readers go back" if goes_back else "published"


def _conflicts(day: date, starts_at: datetime, ends_at: datetime) -> str:
    """Describe the first scheduled run that may overlap with the night of this date."""
    scheduled = datetime.combine(starts_at.date(), NIGHTLY_START_UTC, starts_at.tzinfo)
    while scheduled <= ends_at + _NIGHTLY_WINDOW:
        if starts_at < scheduled + _NIGHTLY_WINDOW:
            run = f"the nightly run of {scheduled:%Y-%m-%d %H:%M} UTC"
            is_same = scheduled.date() == day + timedelta(days=1)
            return f"{run} covers this date" if is_same else f"overlaps {run}: tasks take turns"
        scheduled += timedelta(days=1)
    return ""


def _median_night(lake: str) -> tuple[float | None, int | None]:
    """Median seconds and bytes of the runs that wrote every published table."""
    if not exists(lake, RUN_METRICS):
        return None, None
    runs: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in read_table(lake, RUN_METRICS).to_pylist():
        runs[row["run_id"]].append(row)
    complete = [rows for rows in runs.values() if _is_complete(rows)]
    if not complete:
        return None, None
    elapsed_s = median(sum(row["elapsed_s"] for row in rows) for rows in complete)
    return elapsed_s, int(median(sum(row["added_bytes"] for row in rows) for rows in complete))


def _is_complete(rows: Sequence[dict[str, Any]]) -> bool:
    return "rec_changes" in {row["task"] for row in rows}


def _format(value: float | None, unit: float) -> str:
    return "unknown" if value is None else f"{value / unit:.1f}"
