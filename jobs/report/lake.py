"""What the report may read: the lake as one run left it, as polars frames.

A table that nobody has written yet reads as a frame without rows: the page says what is absent, and
a night without covers or without listens is no error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow.dataset as ds

from feature_store.contract import Table, Time
from feature_store.lake.arrow_io import read_table
from feature_store.lake.delta_tables import exists, open_table
from feature_store.publishing.snapshot import Event, current_event, events
from feature_store.tables.core import CORE_USERS

if TYPE_CHECKING:
    from feature_store.settings import Night

_TOKEN = re.compile(r"[^\s,;:()\[\]{}'\"=]+")
_PEOPLE_COLUMNS = ("user_id", "followed_user_id")
_SOMEBODY = "‹listener›"


@dataclass(frozen=True, slots=True)
class RunView:
    """The tables as of the run's day, the published ones at the versions that its event pins.

    Attributes:
        event: the run's newest publication event; None while it has none.
        current: the event that readers see now; None while nothing is published.
        versions: pinned Delta version by table name.
    """

    night: Night
    event: Event | None
    current: Event | None
    versions: Mapping[str, int]

    @property
    def lake(self) -> str:
        """Address of the lake."""
        return self.night.settings.lake

    def rows(self, table: Table, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Rows as of the run's day in key order; none when the table was never written."""
        if not exists(self.lake, table):
            return _no_rows(table, columns)
        version = self.versions.get(table.name)
        found = read_table(
            self.lake, table, as_of=self.night.as_of, columns=columns, version=version
        )
        return pl.DataFrame(found)

    def every_row(self, table: Table, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Rows of all days, also those after the run's."""
        if not exists(self.lake, table):
            return _no_rows(table, columns)
        return pl.DataFrame(read_table(self.lake, table, columns=columns))

    def rows_where(self, table: Table, condition: ds.Expression) -> pl.DataFrame:
        """Rows by the run's day that meet a condition, in key order; for tables of events.

        The condition goes down into the files, so a log of any length can be asked.
        """
        if not exists(self.lake, table):
            return _no_rows(table, None)
        dataset = open_table(self.lake, table).to_pyarrow_dataset()
        found = dataset.to_table(filter=condition & self._until(table))
        return pl.DataFrame(found).select(table.column_names).sort(list(table.key))

    def row_count(self, table: Table) -> int:
        """Rows up to the run's day, counted from the files' footers where that is possible."""
        if not exists(self.lake, table):
            return 0
        dataset = open_table(self.lake, table).to_pyarrow_dataset()
        return int(dataset.count_rows(filter=self._until(table)))

    def _until(self, table: Table) -> ds.Expression:
        field = ds.field(table.time.column)
        day = self.night.as_of
        return field == day if table.time is Time.AS_OF else field <= day


@dataclass(frozen=True, slots=True)
class Discretion:
    """Keeps people's ids out of free text: the page names its sample listeners and nobody else."""

    user_ids: frozenset[str]

    def original(self, text: str) -> str:
        """A rejected row without the ids of people; what is no JSON object is not shown at all."""
        try:
            row = json.loads(text)
        except json.JSONDecodeError:
            return ""  # an unreadable file: its detail says all there is
        return json.dumps(self._masked(row), ensure_ascii=False) if isinstance(row, dict) else ""

    def sentence(self, text: str, original_text: str = "") -> str:
        """`text` with every known id, and those in the row it speaks of, behind a placeholder."""
        known = self.user_ids | _people_in(original_text)
        return _TOKEN.sub(lambda found: _SOMEBODY if found[0] in known else found[0], text)

    def _masked(self, row: dict[str, Any]) -> dict[str, Any]:
        return {
            name: _SOMEBODY if name in _PEOPLE_COLUMNS and value is not None else value
            for name, value in row.items()
        }


def view_of(night: Night) -> RunView:
    """The lake as `night` left it, and what readers see now."""
    so_far = events(night.settings.lake)
    mine = [event for event in so_far if event.run_id == night.run_id]
    event = mine[-1] if mine else None
    versions = {pin.table_name: pin.table_version for pin in event.tables} if event else {}
    return RunView(night, event, current_event(so_far), versions)


def discretion_of(view: RunView) -> Discretion:
    """Knows everybody that the service knows by the run's day."""
    return Discretion(frozenset(view.rows(CORE_USERS, ["user_id"])["user_id"]))


def _people_in(original_text: str) -> frozenset[str]:
    try:
        row = json.loads(original_text)
    except json.JSONDecodeError:
        return frozenset()
    if not isinstance(row, dict):
        return frozenset()
    return frozenset(str(row[name]) for name in _PEOPLE_COLUMNS if row.get(name))


def _no_rows(table: Table, columns: Sequence[str] | None) -> pl.DataFrame:
    empty = pl.DataFrame(table.arrow_schema.empty_table())
    return empty.select(columns) if columns is not None else empty
