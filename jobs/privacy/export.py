"""Everything that is stored about a person, as one JSON object: a section for each table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from feature_store.lake.delta_tables import exists
from feature_store.lake.storage import open_storage
from feature_store.privacy.person_filter import Person, names_people
from feature_store.privacy.table_rewrite import rows_about
from feature_store.tables import TABLES
from jobs.privacy.landing import landing_rows_about

if TYPE_CHECKING:
    from feature_store.settings import Settings


class NothingStored(LookupError):
    """Nothing is stored about such a person."""


def export(settings: Settings, user_id: str) -> dict[str, list[dict[str, Any]]]:
    """Rows about the person by table, and by landing file; sections without rows are left out.

    Raises:
        NothingStored: there is no section.
    """
    person, lake = Person(user_id), settings.lake
    sections = {
        table.name: rows_about(lake, table, person).to_pylist()
        for table in TABLES.values()
        if names_people(table) and exists(lake, table)
    }
    sections |= {
        path: rows.to_pylist() for path, rows in landing_rows_about(open_storage(lake), person)
    }
    filled = {name: rows for name, rows in sections.items() if rows}
    if not filled:
        raise NothingStored(
            f"export: no table and no landing file of {lake} holds a row about {user_id!r}; check "
            "the id and EVENSONG_LAKE; a person who was erased has none"
        )
    return filled
