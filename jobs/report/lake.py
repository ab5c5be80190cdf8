"""Read-only view of the lake as one run left it, as polars frames.

A table that does not exist reads as a frame without rows: a night without covers or without listens
is no error, and the page states what is missing.
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
from feature_store.lake.delta_tables import exists, open_dataset, open_table
from feature_store.publishing.snapshot import Event, current_event, events
from feature_store.tables.core import CORE_USERS

if TYPE_CHECKING:
    from feature_store.settings import Night

_TOKEN = re.compile(r"[^\s,;:()\[\]{}'\"=]+")
_USER_ID_COLUMNS = ("user_id", "followed_user_id")
_USER_PLACEHOLDER = "‹listener›"


@dataclass(frozen=True, slots=True)
class RunView:
    """The tables as of the run's day; published tables at the versions that the run's event pins.

    Attributes:
        event: newest publication event of the run; None before the first one.
        current: event that readers see now; None while nothing is published.
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
        """Rows as of the run's day in key order; no rows when the table does not exist."""
        if not exists(self.lake, table):
            return _no_rows(table, columns)
        version = self.versions.get(table.name)
        found = read_table(
            self.lake, table, as_of=self.night.as_of, columns=columns, version=version
        )
        return pl.DataFrame(found)

    def rows_of_all_days(self, table: Table, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Rows of all days, including days after the run's."""
        if not exists(self.lake, table):
            return _no_rows(table, columns)
        return pl.DataFrame(read_table(self.lake, table, columns=columns))

    def rows_where(self, table: Table, condition: ds.Expression) -> pl.DataFrame:
        """Rows as of the run's day that meet a condition, in key order; of events all up to it.

        The filter is pushed down into the files, so the size of the table does not matter.
        """
        if not exists(self.lake, table):
            return _no_rows(table, None)
        dataset = open_dataset(open_table(self.lake, table, self.versions.get(table.name)))
        found = dataset.to_table(filter=condition & self._until(table))
        return pl.DataFrame(found).select(table.column_names).sort(list(table.key))

    def row_count(self, table: Table) -> int:
        """Number of rows up to the run's day, from the files' footers where possible."""
        if not exists(self.lake, table):
            return 0
        dataset = open_dataset(open_table(self.lake, table, self.versions.get(table.name)))
        return int(dataset.count_rows(filter=self._until(table)))

    def _until(self, table: Table) -> ds.Expression:
        field = ds.field(table.time.column)
        day = self.night.as_of
        return field == day if table.time is Time.AS_OF else field <= day


@dataclass(frozen=True, slots=True)
class Redactor:
    """Replaces user ids in free text: the page names its sample listeners and no others."""

    user_ids: frozenset[str]

    def redact_row(self, text: str) -> str:
        """A rejected row (a JSON object) without user ids; "" for any other text."""
        try:
            row = json.loads(text)
        except json.JSONDecodeError:
            return ""  # one reject stands for an unreadable file; its detail is enough
        return json.dumps(_redact_columns(row), ensure_ascii=False) if isinstance(row, dict) else ""

    def redact_text(self, text: str, row_text: str = "") -> str:
        """`text` without known user ids and without the ids that the row in `row_text` holds."""
        hidden = self.user_ids | _user_ids_in(row_text)
        return _TOKEN.sub(lambda found: _USER_PLACEHOLDER if found[0] in hidden else found[0], text)


def open_run(night: Night) -> RunView:
    """Open the lake as of `night`, with the run's newest event and the current event."""
    all_events = events(night.settings.lake)
    own_events = [event for event in all_events if event.run_id == night.run_id]
    event = own_events[-1] if own_events else None
    versions = {pin.table_name: pin.table_version for pin in event.tables} if event else {}
    return RunView(night, event, current_event(all_events), versions)


def read_redactor(view: RunView) -> Redactor:
    """A redactor that knows every user id of core_users as of the run's day."""
    return Redactor(frozenset(view.rows(CORE_USERS, ["user_id"])["user_id"]))


def _redact_columns(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _USER_PLACEHOLDER if name in _USER_ID_COLUMNS and value is not None else value
        for name, value in row.items()
    }


def _user_ids_in(row_text: str) -> frozenset[str]:
    try:
        row = json.loads(row_text)
    except json.JSONDecodeError:
        return frozenset()
    if not isinstance(row, dict):
        return frozenset()
    return frozenset(str(row[name]) for name in _USER_ID_COLUMNS if row.get(name))


def _no_rows(table: Table, columns: Sequence[str] | None) -> pl.DataFrame:
    empty = pl.DataFrame(table.arrow_schema.empty_table())
    return empty.select(columns) if columns is not None else empty
