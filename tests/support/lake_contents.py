"""Row counts, content hashes and published events of a lake, for comparison with another lake."""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from typing import Any

from feature_store.lake.arrow_io import read_table
from feature_store.lake.content_hash import arrow_content_sha256
from feature_store.lake.delta_tables import TableMissing
from feature_store.publishing.snapshot import events, open_snapshot
from feature_store.tables import TABLES, runs

READER_ACTIONS = frozenset({"publish", "rollback", "erase"})


def table_contents(lake: str, as_of: date) -> dict[str, dict[str, Any]]:
    """Rows and content hash of every table of the lake, as a reader of that date reads them.

    Run records are left out: they count the rows that a run wrote, and a re-run after a kill writes
    fewer, because it keeps content that the killed run had encoded.
    """
    contents = {}
    for table in TABLES.values():
        if table in runs.TABLES:
            continue
        with suppress(TableMissing):
            rows = read_table(lake, table, as_of=as_of)
            contents[table.name] = {
                "rows": rows.num_rows,
                "content_sha256": arrow_content_sha256(table, rows),
            }
    return contents


def published_rows(lake: str) -> dict[str, list[dict[str, Any]]]:
    """Rows of every published table as readers see them now."""
    snapshot = open_snapshot(lake)
    return {
        pin.table_name: snapshot.read(pin.table_name).to_pylist() for pin in snapshot.event.tables
    }


def published_hashes(lake: str) -> dict[str, str]:
    """Content hash of every published table, as the current event pins it."""
    return {pin.table_name: pin.content_sha256 for pin in open_snapshot(lake).event.tables}


def event_actions(lake: str) -> list[str]:
    """Actions of all events in published_runs, oldest first."""
    return [event.action for event in events(lake)]


def reader_events(lake: str) -> list[tuple[str, str]]:
    """Day and action of each event that changed what readers see, oldest first."""
    return [
        (f"{event.as_of}", event.action) for event in events(lake) if event.action in READER_ACTIONS
    ]
