"""Snapshots: one consistent set of published tables for readers.

    from feature_store import open_snapshot
    lists = open_snapshot().read("rec_topk")        # a pyarrow.Table

The current event (the newest publish, rollback or erase) pins a version of every published table. A
snapshot reads those versions at that event's as_of_date, so several reads never mix two runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from feature_store.contract import ContractError, Table
from feature_store.lake.arrow_io import read_table
from feature_store.lake.commits import marked
from feature_store.lake.delta_tables import exists, table_uri
from feature_store.privacy.row_erasure import erase_from_rows
from feature_store.privacy.suppression import reader_suppression_list
from feature_store.settings import load_settings
from feature_store.tables import table_called
from feature_store.tables.runs import PUBLISHED_RUNS

if TYPE_CHECKING:
    import pyarrow as pa

CURRENT_ACTIONS = frozenset({"publish", "rollback", "erase"})


class NothingPublished(LookupError):
    """No run is published, or the requested run is not."""


@dataclass(frozen=True, slots=True)
class Pin:
    """One table version that an event pins."""

    table_name: str
    table_version: int
    row_count: int
    content_sha256: str


@dataclass(frozen=True, slots=True)
class Event:
    """One row of published_runs."""

    event_number: int
    replaces_event: int | None
    action: str
    run_id: str
    as_of: date
    actor: str
    reason: str | None
    tables: tuple[Pin, ...]
    gates: tuple[dict[str, Any], ...]
    inputs: tuple[Pin, ...]
    model_versions: tuple[str, ...]
    code_version: str
    contract_version: str
    recorded_at_utc: datetime

    @property
    def commit_note(self) -> str:
        """What the event's commit says of itself; finds its version of published_runs."""
        return marked(self.run_id, f"event-{self.event_number}")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The published tables at the versions that one event pins."""

    lake: str
    event: Event

    @property
    def as_of(self) -> date:
        """The day of the published run."""
        return self.event.as_of

    @property
    def run_id(self) -> str:
        """Id of the published run."""
        return self.event.run_id

    def version_of(self, table: Table) -> int:
        """The Delta version that the event pins for a table.

        Raises:
            ContractError: the event does not pin that table.
        """
        for pin in self.event.tables:
            if pin.table_name == table.name:
                return pin.table_version
        published = ", ".join(pin.table_name for pin in self.event.tables)
        raise ContractError(
            f"{table.name} is not among the tables of event {self.event.event_number}: {published}"
        )

    def uri_of(self, name: str) -> str:
        """Address of a published table, for readers with another engine."""
        return table_uri(self.lake, table_called(name))

    def read(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Rows of a published table in key order, as a pyarrow.Table, without erased people.

        Raises:
            ContractError: no published table has that name.
            TableMissing: the pinned version is deleted.
            PrivacyKeyMissing: this installation's key is not that of the suppression list.
        """
        table = table_called(name)
        version = self.version_of(table)
        selected = list(columns) if columns is not None else table.column_names
        suppression_list = reader_suppression_list(load_settings(lake=self.lake))
        needed = table.column_names if suppression_list else selected
        rows = read_table(self.lake, table, as_of=self.as_of, version=version, columns=needed)
        if suppression_list:
            rows = erase_from_rows(table, rows, suppression_list).rows
        return rows.select(selected)


def open_snapshot(lake: str | None = None) -> Snapshot:
    """Open the current tables; `lake` is EVENSONG_LAKE by default.

    Raises:
        NothingPublished: no run has been published yet.
    """
    address = lake or load_settings().lake
    current = current_event(events(address))
    if current is None:
        raise NothingPublished(
            f"published_runs: nothing is published in {address}; run `evensong demo` or "
            "`evensong night --as-of DATE`, or check EVENSONG_LAKE"
        )
    return Snapshot(address, current)


def snapshot_before(lake: str, as_of: date) -> Snapshot | None:
    """The snapshot with which a run of `as_of` compares now; None before the first one.

    rec_changes reads it as a job, and all gates as the run is published. In between readers may
    move; then the publication refuses, and rec_changes is computed again.
    """
    event = baseline_event(events(lake), as_of)
    return Snapshot(lake, event) if event is not None else None


def baseline_event(history: Sequence[Event], as_of: date) -> Event | None:
    """What readers saw last before they went to `as_of` or later; None when they saw nothing.

    That is the newest publish, rollback or erase event of an earlier day. For the next night it is
    the current event, also after a rollback. A backfill, a retry and a second run of the day never
    compare with a later day or themselves.

    A retry finds the same event as the first run of its day, unless readers moved among earlier
    days meanwhile, by a rollback or a publication: it protects those readers, so it compares with
    what they see now. A staged run that a person publishes keeps the comparisons of its staging;
    its rec_changes names the run.

    An erasure deletes the versions of that time; the versions that the erasure pins hold the same
    slices without the person. Row counts stay those of the publication.
    """
    baseline = current_event([event for event in history if event.as_of < as_of])
    erased = erased_since(baseline, history) if baseline is not None else None
    if baseline is None or erased is None:
        return baseline
    versions = {pin.table_name: pin.table_version for pin in erased.tables}
    pins = (
        replace(pin, table_version=versions.get(pin.table_name, pin.table_version))
        for pin in baseline.tables
    )
    return replace(baseline, tables=tuple(pins))


def erased_since(event: Event, history: Sequence[Event]) -> Event | None:
    """The newest erase event after `event`, which deleted the versions that `event` pins."""
    later = [
        other
        for other in history
        if other.action == "erase" and other.event_number > event.event_number
    ]
    return max(later, key=lambda other: other.event_number, default=None)


def events(lake: str, version: int | None = None) -> list[Event]:
    """All publication events, oldest first, at a version of published_runs (default: newest)."""
    if not exists(lake, PUBLISHED_RUNS):
        return []
    return [_event(row) for row in read_table(lake, PUBLISHED_RUNS, version=version).to_pylist()]


def newest_event_of(run_id: str, history: Sequence[Event]) -> Event | None:
    """The newest event of a run; None while it has no event."""
    of_run = [event for event in history if event.run_id == run_id]
    return max(of_run, key=lambda event: event.event_number, default=None)


def current_event(history: Sequence[Event]) -> Event | None:
    """The event whose versions readers see; None before the first publication."""
    pinning = [event for event in history if event.action in CURRENT_ACTIONS]
    return max(pinning, key=lambda event: event.event_number) if pinning else None


def _event(row: dict[str, Any]) -> Event:
    values = dict(row)
    values["as_of"] = values.pop("as_of_date")
    values["tables"] = tuple(Pin(**pin) for pin in values["tables"])
    values["inputs"] = tuple(Pin(**pin) for pin in values["inputs"])
    values["gates"] = tuple(values["gates"])
    values["model_versions"] = tuple(values["model_versions"])
    return Event(**values)
