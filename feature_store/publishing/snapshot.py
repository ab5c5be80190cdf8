"""What readers open: one consistent set of published tables.

    from feature_store import open_snapshot
    lists = open_snapshot().read("rec_topk")        # a pyarrow.Table

The newest publish, rollback or erase event pins a version of every table; a snapshot reads those
versions at that event's as_of_date, so several reads never mix two runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from feature_store.contract import ContractError, Table
from feature_store.lake.arrow_io import read_table
from feature_store.lake.delta_tables import exists, table_uri
from feature_store.privacy.person_filter import cleaned
from feature_store.privacy.suppression import readers_suppression
from feature_store.settings import load_settings
from feature_store.tables import table_called
from feature_store.tables.runs import PUBLISHED_RUNS

if TYPE_CHECKING:
    import pyarrow as pa

CURRENT_ACTIONS = frozenset({"publish", "rollback", "erase"})


class NothingPublished(LookupError):
    """No run has been published yet, or not the one that was asked for."""


@dataclass(frozen=True, slots=True)
class Pin:
    """The state of one published table that an event fixed."""

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


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Published tables as one event fixed them."""

    lake: str
    event: Event

    @property
    def as_of(self) -> date:
        """Last day that the published run covers."""
        return self.event.as_of

    @property
    def run_id(self) -> str:
        """The published run."""
        return self.event.run_id

    def version_of(self, table: Table) -> int:
        """Delta version pinned for a table.

        Raises:
            ContractError: the event published no such table.
        """
        for pin in self.event.tables:
            if pin.table_name == table.name:
                return pin.table_version
        published = ", ".join(pin.table_name for pin in self.event.tables)
        raise ContractError(
            f"{table.name} is not among the tables of event {self.event.event_number}: {published}"
        )

    def uri_of(self, name: str) -> str:
        """Address of a published table, for readers that bring their own engine."""
        return table_uri(self.lake, table_called(name))

    def read(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Rows of a published table in key order, as a pyarrow.Table, without erased people.

        Raises:
            ContractError: nothing of that name is published.
            TableMissing: the pinned version is gone.
            PrivacyKeyMissing: this installation's key is not that of the suppression list.
        """
        table = table_called(name)
        version = self.version_of(table)
        wanted = list(columns) if columns is not None else table.column_names
        nobody = readers_suppression(load_settings(lake=self.lake))
        needed = table.column_names if nobody else wanted
        rows = read_table(self.lake, table, as_of=self.as_of, version=version, columns=needed)
        return (cleaned(table, rows, nobody).rows if nobody else rows).select(wanted)


def open_snapshot(lake: str | None = None) -> Snapshot:
    """The tables that are current now; `lake` comes from EVENSONG_LAKE when it is not given.

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
    """What was published for the newest day before `as_of`; None when nothing was.

    By day and not by time of publication, so that a backfill compares with what the night of that
    day compared with. After an erasure the versions of that time are gone; their slices, without
    the person, are in the versions that the erasure pinned.
    """
    so_far = events(lake)
    published = [event for event in so_far if event.action == "publish" and event.as_of < as_of]
    if not published:
        return None
    newest = max(published, key=lambda event: (event.as_of, event.event_number))
    erased = erased_since(newest, so_far)
    return Snapshot(lake, replace(newest, tables=erased.tables) if erased else newest)


def erased_since(event: Event, among: Sequence[Event]) -> Event | None:
    """The newest erasure that re-pinned tables after an event; what that event pinned is gone."""
    later = [
        other
        for other in among
        if other.action == "erase" and other.event_number > event.event_number
    ]
    return max(later, key=lambda other: other.event_number, default=None)


def events(lake: str, version: int | None = None) -> list[Event]:
    """All publication events, oldest first; `version` of published_runs fixes what is seen."""
    if not exists(lake, PUBLISHED_RUNS):
        return []
    return [_event(row) for row in read_table(lake, PUBLISHED_RUNS, version=version).to_pylist()]


def newest_event_of(run_id: str, among: Sequence[Event]) -> Event | None:
    """What became of a run in the end; None while it has no event."""
    mine = [event for event in among if event.run_id == run_id]
    return max(mine, key=lambda event: event.event_number, default=None)


def current_event(among: Sequence[Event]) -> Event | None:
    """The event that readers see."""
    seen = [event for event in among if event.action in CURRENT_ACTIONS]
    return max(seen, key=lambda event: event.event_number) if seen else None


def _event(row: dict[str, Any]) -> Event:
    values = dict(row)
    values["as_of"] = values.pop("as_of_date")
    values["tables"] = tuple(Pin(**pin) for pin in values["tables"])
    values["inputs"] = tuple(Pin(**pin) for pin in values["inputs"])
    values["gates"] = tuple(values["gates"])
    values["model_versions"] = tuple(values["model_versions"])
    return Event(**values)
