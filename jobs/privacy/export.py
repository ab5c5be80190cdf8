"""Export of a person's stored data as one JSON object, with a section for each table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from feature_store.lake.delta_tables import exists
from feature_store.lake.storage import open_storage
from feature_store.privacy.person_filter import Person
from feature_store.privacy.personal_data import has_personal_data
from feature_store.privacy.table_rewrite import read_matching_rows
from feature_store.tables import TABLES
from jobs.landing.erasure import matching_landing_rows

if TYPE_CHECKING:
    from feature_store.settings import Settings


class NoPersonalData(LookupError):
    """The lake holds no row about this person."""


def export(settings: Settings, user_id: str) -> dict[str, list[dict[str, Any]]]:
    """Rows about the person by table and landing file, without tables and files that have none.

    Raises:
        NoPersonalData: no table and no landing file has a row about the person.
    """
    person, lake = Person(user_id), settings.lake
    sections = {
        table.name: read_matching_rows(lake, table, person).to_pylist()
        for table in TABLES.values()
        if has_personal_data(table) and exists(lake, table)
    }
    sections |= {
        path: rows.to_pylist() for path, rows in matching_landing_rows(open_storage(lake), person)
    }
    non_empty = {name: rows for name, rows in sections.items() if rows}
    if not non_empty:
        raise NoPersonalData(
            f"export: no table and no landing file of {lake} holds a row about {user_id!r}; check "
            "the id and EVENSONG_LAKE; a person who was erased has none"
        )
    return non_empty
