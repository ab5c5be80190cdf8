"""The existing tables that an erasure searches, rewrites and purges."""

from __future__ import annotations

from typing import TYPE_CHECKING

from feature_store.lake.delta_tables import exists
from feature_store.privacy.personal_data import has_personal_data
from feature_store.privacy.row_erasure import can_name_people
from feature_store.privacy.table_rewrite import was_rewritten
from feature_store.tables import TABLES
from feature_store.tables.runs import PUBLISHED_RUNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from feature_store.contract import Table
    from feature_store.privacy.requests import Request


def tables_that_can_name_people(lake: str) -> list[Table]:
    """Tables with personal data, and those that only a landing file's name can make name a person.

    Without published_runs, whose writers take no lease and whose events are rewritten apart.
    """
    return [
        table
        for table in TABLES.values()
        if table is not PUBLISHED_RUNS and can_name_people(table) and exists(lake, table)
    ]


def tables_with_personal_data(lake: str) -> list[Table]:
    """The tables whose rows can be about a person, without published_runs."""
    return [table for table in tables_that_can_name_people(lake) if has_personal_data(table)]


def tables_to_purge(lake: str, requests: Sequence[Request]) -> list[Table]:
    """Tables whose earlier versions may hold the people; no other history is touched.

    A table without personal data counts if it was rewritten since the first of the requests: the
    table's own log says so, for an erasure that was killed had no time to write it down.
    """
    since = min(request.requested_at_utc for request in requests)
    return [
        table
        for table in tables_that_can_name_people(lake)
        if has_personal_data(table) or was_rewritten(lake, table, since)
    ] + ([PUBLISHED_RUNS] if exists(lake, PUBLISHED_RUNS) else [])
