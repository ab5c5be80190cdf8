"""Airflow's logs and database without a person.

No task is ever given a person's id, but the message of a failed gate shows a few of the rows that
broke it, and such messages end in task logs.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import Engine, Text, cast, create_engine, inspect, text
from sqlalchemy.sql import column, select, table

from dags.command.local_airflow import HOMES
from feature_store.lake.storage import FolderStorage
from feature_store.privacy.person_filter import Person, masked_files, without_mentions
from feature_store.privacy.requests import add_removed, request_called

if TYPE_CHECKING:
    from feature_store.settings import Settings

LOG = structlog.get_logger()

_TEXT_TYPES = ("CHAR", "TEXT", "CLOB", "JSON", "STRING")
_NEVER = frozenset({"alembic_version", "alembic_version_fab", "dag_code", "serialized_dag"})
"""Tables about DAG files and the database itself."""

_MIN_TELLING_CHARACTERS = 3


def erase_logs(settings: Settings, request_id: str) -> int:
    """Put a placeholder wherever logs or database name the person; returns the places.

    Raises:
        UnknownRequest: there is no unfinished request of that id.
    """
    person = Person(request_called(settings, request_id).user_id)
    found = sum(
        masked_files(FolderStorage(settings.state / home), "logs", person) for home in HOMES
    )
    if _is_telling(person):
        found += sum(
            _mask_database(create_engine(address), person) for address in _databases(settings)
        )
    add_removed(settings, request_id, {"airflow": found})
    LOG.info("erased from logs", request_id=request_id, places=found)
    return found


def _databases(settings: Settings) -> list[str]:
    """Addresses of Airflow's databases: the configured one, and those that lie in our homes."""
    files = [settings.state / home / "airflow.db" for home in HOMES]
    found = [f"sqlite:///{file}" for file in files if file.is_file()]
    configured = os.environ.get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN")
    return list(dict.fromkeys([configured, *found] if configured else found))


def _is_telling(person: Person) -> bool:
    """Whether the id can be told from other values: `17` is in every second row of a database."""
    return len(person.user_id) >= _MIN_TELLING_CHARACTERS and not person.user_id.isdigit()


def _mask_database(engine: Engine, person: Person) -> int:
    found = 0
    for table_name in inspect(engine).get_table_names():
        if table_name not in _NEVER:
            found += _mask_table(engine, table_name, person)
    if engine.dialect.name == "sqlite" and found:
        # Old values stay in free pages until the file is written anew.
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM"))
            connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    engine.dispose()
    return found


def _mask_table(engine: Engine, table_name: str, person: Person) -> int:
    inspector = inspect(engine)
    key = inspector.get_pk_constraint(table_name)["constrained_columns"]
    found = 0
    for described in inspector.get_columns(table_name):
        is_text = str(described["type"]).upper().startswith(_TEXT_TYPES)
        if is_text and key and described["name"] not in key:
            found += _mask_column(engine, table_name, key, described, person)
    return found


def _mask_column(
    engine: Engine, table_name: str, key: list[str], described: Any, person: Person
) -> int:
    name, kind = described["name"], described["type"]
    wanted = table(table_name, *[column(each) for each in {*key, name}])
    as_text = cast(wanted.c[name], Text)
    with engine.begin() as connection:
        rows = connection.execute(
            select(*[wanted.c[each] for each in key], as_text.label("_text")).where(
                as_text.contains(person.user_id, autoescape=True)
            )
        ).all()
        changed = 0
        for *identity, content in rows:
            without = without_mentions(content, person)
            if without != content:
                is_row = [
                    wanted.c[each] == value for each, value in zip(key, identity, strict=True)
                ]
                value = cast(without, kind) if engine.dialect.name == "postgresql" else without
                connection.execute(wanted.update().where(*is_row).values({name: value}))
                changed += 1
    return changed
