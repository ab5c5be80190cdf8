"""Header and gates section: whether the run is published, and what readers see now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset as ds

from feature_store.lake.storage import open_storage
from feature_store.publishing.contract_suites import read_validations
from feature_store.tables.core import CORE_LISTENS
from jobs.report.charts import area_path
from jobs.report.formatting import count, long_date

if TYPE_CHECKING:
    from feature_store.publishing.snapshot import Event
    from jobs.report.lake import Redactor, RunView

LISTENS_CHART_WIDTH, LISTENS_CHART_HEIGHT = 1200.0, 150.0
_HOURS_PER_DAY = 24


@dataclass(frozen=True, slots=True)
class GateRow:
    """One gate; `status` is passed, blocked, or waived (failed, and allowed by a person)."""

    rule: str
    table_name: str
    value: float
    threshold: str
    status: str
    examples: str


@dataclass(frozen=True, slots=True)
class ContractRow:
    """The suite of one published table: how many of its expectations its slice fulfils.

    Attributes:
        failed: names of the broken ones, such as "null user_id".
        rules: every rule of the suite, in words or as SQL.
    """

    suite: str
    n_passed: int
    n_expectations: int
    failed: tuple[str, ...]
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Header:
    """Top of the page.

    Attributes:
        action: of the run's newest event; "unpublished" when there is none.
        is_current: whether readers see this run.
        run_status: the outcome of the run in one or two sentences.
        listens_path: area chart of the day's listens by hour, as the `d` of an SVG path; "" on a
            day without listens.
    """

    as_of: date
    run_id: str
    action: str
    is_current: bool
    run_status: str
    event_number: int | None
    actor: str | None
    reason: str | None
    recorded_at_utc: datetime | None
    code_version: str | None
    readers_run_id: str | None
    readers_as_of: date | None
    day_listens: int
    listens_path: str


def read_header(view: RunView, gates: tuple[GateRow, ...]) -> Header:
    """The run's newest event, the run that readers see now, and the day's listens."""
    event, current = view.event, view.current
    by_hour = _listens_by_hour(view)
    return Header(
        as_of=view.night.as_of,
        run_id=view.night.run_id,
        action=event.action if event else "unpublished",
        is_current=current is not None and current.run_id == view.night.run_id,
        run_status=run_status(event, current, gates),
        event_number=event.event_number if event else None,
        actor=event.actor if event else None,
        reason=event.reason if event else None,
        recorded_at_utc=event.recorded_at_utc if event else None,
        code_version=event.code_version if event else None,
        readers_run_id=current.run_id if current else None,
        readers_as_of=current.as_of if current else None,
        day_listens=sum(by_hour),
        listens_path=_listens_path(by_hour) if any(by_hour) else "",
    )


def read_gates(view: RunView, redactor: Redactor) -> tuple[GateRow, ...]:
    """Gates of the run's newest event, failed ones first."""
    if view.event is None:
        return ()
    # A failed gate blocks the run unless a person waives it: without a block it was waived.
    failed = "blocked" if view.event.action == "blocked" else "waived"
    rows = [
        GateRow(
            rule=gate["rule"],
            table_name=gate["table_name"],
            value=gate["value"],
            threshold=gate["threshold"],
            status="passed" if gate["is_passed"] else failed,
            examples=redactor.redact_text(gate["examples"] or ""),
        )
        for gate in view.event.gates
    ]
    return tuple(sorted(rows, key=lambda row: row.status == "passed"))


def read_contracts(view: RunView) -> tuple[ContractRow, ...]:
    """The suites of the run's published tables, as they were validated when it was audited."""
    night = view.night
    found = read_validations(open_storage(view.lake), night.as_of, night.run_id)
    return tuple(_contract_row(validation) for validation in found)


def run_status(event: Event | None, current: Event | None, gates: tuple[GateRow, ...]) -> str:
    """The outcome of the run and what readers see, in one or two sentences."""
    readers = (
        f"Readers see the lists of {long_date(current.as_of)}."
        if current
        else "Readers have no lists yet."
    )
    if event is None:
        return f"Not published yet. {readers}"
    n_failed = len([gate for gate in gates if gate.status != "passed"])
    if event.action == "blocked":
        return f"Blocked by {_gates(n_failed)}. {readers}"
    if event.action == "stage_only":
        return f"Staged and audited, but not published. {readers}"
    gates_text = f"{_gates(n_failed)} waived" if n_failed else f"all {_gates(len(gates))} passed"
    if current is not None and current.run_id == event.run_id:
        return f"Published: readers see these lists; {gates_text}."
    return f"Published ({gates_text}), then replaced. {readers}"


def _contract_row(validation: dict[str, Any]) -> ContractRow:
    results = [
        (result["expectation_config"]["kwargs"]["column"], result)
        for result in validation["results"]
    ]
    return ContractRow(
        suite=validation["suite_name"],
        n_passed=sum(result["success"] for _, result in results),
        n_expectations=len(results),
        failed=tuple(name for name, result in results if not result["success"]),
        rules=tuple(result["expectation_config"]["meta"]["rule"] for _, result in results),
    )


def _listens_path(by_hour: list[int]) -> str:
    """Each count stands at the start of its hour; the last one is repeated at midnight."""
    return area_path([*by_hour, by_hour[-1]], LISTENS_CHART_WIDTH, LISTENS_CHART_HEIGHT)


def _gates(number: int) -> str:
    return f"{count(number)} gate" if number == 1 else f"{count(number)} gates"


def _listens_by_hour(view: RunView) -> list[int]:
    """Listens that started in each UTC hour of the run's day."""
    start = datetime.combine(view.night.as_of, time(), UTC)
    field = ds.field("listened_at_utc")
    is_today = (field >= _timestamp(start)) & (field < _timestamp(start + timedelta(days=1)))
    listen_hours = view.rows_where(CORE_LISTENS, is_today)["listened_at_utc"].dt.hour().to_list()
    return [listen_hours.count(hour) for hour in range(_HOURS_PER_DAY)]


def _timestamp(value: datetime) -> pa.Scalar:
    return pa.scalar(value, pa.timestamp("us", tz="UTC"))
