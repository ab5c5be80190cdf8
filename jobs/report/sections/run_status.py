"""What became of the run: its event, its gates, and what readers see."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.dataset as ds

from feature_store.tables.core import CORE_LISTENS
from jobs.report.charts import horizon
from jobs.report.formatting import count, day

if TYPE_CHECKING:
    from feature_store.publishing.snapshot import Event
    from jobs.report.lake import Discretion, RunView

HORIZON_WIDTH, HORIZON_HEIGHT = 1200.0, 150.0
_HOURS = 24


@dataclass(frozen=True, slots=True)
class GateRow:
    """One rule; `verdict` is passed, blocked, or waived (broken, and let through by a person)."""

    rule: str
    table_name: str
    value: float
    threshold: str
    verdict: str
    examples: str


@dataclass(frozen=True, slots=True)
class Header:
    """The top of the page.

    Attributes:
        action: of the run's newest event; "unpublished" while it has none.
        is_current: readers see this run.
        verdict: one sentence for whoever opens the page at breakfast.
        horizon: the day's listens by hour as an SVG path; empty on a day without listens.
    """

    as_of: date
    run_id: str
    action: str
    is_current: bool
    verdict: str
    event_number: int | None
    actor: str | None
    reason: str | None
    recorded_at_utc: datetime | None
    code_version: str | None
    readers_run_id: str | None
    readers_as_of: date | None
    day_listens: int
    horizon: str


def header_of(view: RunView, gates: tuple[GateRow, ...]) -> Header:
    """Who published what when, and what readers see now."""
    event, current = view.event, view.current
    by_hour = _listens_by_hour(view)
    return Header(
        as_of=view.night.as_of,
        run_id=view.night.run_id,
        action=event.action if event else "unpublished",
        is_current=current is not None and current.run_id == view.night.run_id,
        verdict=verdict(event, current, gates),
        event_number=event.event_number if event else None,
        actor=event.actor if event else None,
        reason=event.reason if event else None,
        recorded_at_utc=event.recorded_at_utc if event else None,
        code_version=event.code_version if event else None,
        readers_run_id=current.run_id if current else None,
        readers_as_of=current.as_of if current else None,
        day_listens=sum(by_hour),
        horizon=_skyline(by_hour) if any(by_hour) else "",
    )


def gates_of(view: RunView, discretion: Discretion) -> tuple[GateRow, ...]:
    """Gates of the run's newest event, broken ones first."""
    if view.event is None:
        return ()
    # A broken rule stops a run unless a person let it through, so what went on was waived.
    broken = "blocked" if view.event.action == "blocked" else "waived"
    rows = [
        GateRow(
            rule=gate["rule"],
            table_name=gate["table_name"],
            value=gate["value"],
            threshold=gate["threshold"],
            verdict="passed" if gate["is_passed"] else broken,
            examples=discretion.sentence(gate["examples"] or ""),
        )
        for gate in view.event.gates
    ]
    return tuple(sorted(rows, key=lambda row: row.verdict == "passed"))


def verdict(event: Event | None, current: Event | None, gates: tuple[GateRow, ...]) -> str:
    """What happened and what readers have, in a sentence or two."""
    kept = (
        f"Readers keep the lists of {day(current.as_of)}."
        if current
        else "Readers have no lists yet."
    )
    if event is None:
        return f"Not published yet. {kept}"
    broken = [gate for gate in gates if gate.verdict != "passed"]
    if event.action == "blocked":
        return f"Blocked by {_gates(len(broken))}. {kept}"
    if event.action == "stage_only":
        return f"Staged and audited, not published. {kept}"
    passed = f"{_gates(len(broken))} waived" if broken else f"all {_gates(len(gates))} passed"
    if current is not None and current.run_id == event.run_id:
        return f"Readers have this night’s lists; {passed}."
    return f"Published with {passed}, then replaced. {kept.replace('keep', 'have')}"


def _skyline(by_hour: list[int]) -> str:
    """Each hour stands where it begins; the last one reaches to midnight."""
    return horizon([*by_hour, by_hour[-1]], HORIZON_WIDTH, HORIZON_HEIGHT)


def _gates(number: int) -> str:
    return f"{count(number)} gate" if number == 1 else f"{count(number)} gates"


def _listens_by_hour(view: RunView) -> list[int]:
    """Listens that began in each UTC hour of the run's day."""
    start = datetime.combine(view.night.as_of, time(), UTC)
    field = ds.field("listened_at_utc")
    is_today = (field >= _instant(start)) & (field < _instant(start + timedelta(days=1)))
    hours = view.rows_where(CORE_LISTENS, is_today)["listened_at_utc"].dt.hour().to_list()
    return [hours.count(hour) for hour in range(_HOURS)]


def _instant(moment: datetime) -> pa.Scalar:
    return pa.scalar(moment, pa.timestamp("us", tz="UTC"))
