"""Redact a person's id in Airflow's logs and database.

No task receives a person's id, and our messages hold none. But another library's error may quote a
row, and logs of earlier versions hold examples of broken gates.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import Engine, Text, cast, create_engine, inspect, text
from sqlalchemy.sql import column, select, table

from dags.policy.airflow_homes import AIRFLOW_HOMES
from feature_store.lake.storage import FolderStorage
from feature_store.privacy.person_filter import Person, redact, redact_files
from feature_store.privacy.requests import add_removed_counts, load_request

if TYPE_CHECKING:
    from feature_store.settings import Settings

LOG = structlog.get_logger()

_TEXT_TYPES = ("CHAR", "TEXT", "CLOB", "JSON", "STRING")
_SKIPPED_TABLES = frozenset(
    {"alembic_version", "alembic_version_fab", "dag_code", "serialized_dag"}
)
"""Tables about DAG files and the database itself."""

_MIN_DISTINCTIVE_CHARACTERS = 3


def erase_logs(settings: Settings, request_id: str) -> int:
    """Replace the person's id with a placeholder; returns the changed files and database values.

    Raises:
        UnknownRequest: no unfinished request has that id.
    """
    person = Person(load_request(settings, request_id).user_id)
    n_redacted = sum(
        redact_files(FolderStorage(settings.state / home), "logs", person) for home in AIRFLOW_HOMES
    )
    if _is_distinctive(person):
        n_redacted += sum(
            _redact_database(create_engine(url), person) for url in _database_urls(settings)
        )
    add_removed_counts(settings, request_id, {"airflow": n_redacted})
    LOG.info("erased from logs", request_id=request_id, redacted=n_redacted)
    return n_redacted


def _database_urls(settings: Settings) -> list[str]:
    """URLs of Airflow's databases: the configured one and the SQLite files in our homes."""
    files = [settings.state / home / "airflow.db" for home in AIRFLOW_HOMES]
    local = [f"sqlite:///{file}" for file in files if file.is_file()]
    configured = os.environ.get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN")
    return list(dict.fromkeys([configured, *local] if configured else local))


def _is_distinctive(person: Person) -> bool:
    """Whether the id differs from ordinary values: `17` is in every second row of a database."""
    return len(person.user_id) >= _MIN_DISTINCTIVE_CHARACTERS and not person.user_id.isdigit()


def _redact_database(engine: Engine, person: Person) -> int:
    n_redacted = 0
    for table_name in inspect(engine).get_table_names():
        if table_name not in _SKIPPED_TABLES:
            n_redacted += _redact_table(engine, table_name, person)
    if engine.dialect.name == "sqlite" and n_redacted:
        # SQLite keeps old values in free pages until VACUUM rewrites the file.
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM"))
            connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    engine.dispose()
    return n_redacted


def _redact_table(engine: Engine, table_name: str, person: Person) -> int:
    inspector = inspect(engine)
    key = inspector.get_pk_constraint(table_name)["constrained_columns"]
    n_redacted = 0
    for described in inspector.get_columns(table_name):
        is_text = str(described["type"]).upper().startswith(_TEXT_TYPES)
        if is_text and key and described["name"] not in key:
            n_redacted += _redact_column(engine, table_name, key, described, person)
    return n_redacted


def _redact_column(
    engine: Engine, table_name: str, key: list[str], described: Any, person: Person
) -> int:
    name, kind = described["name"], described["type"]
    target = table(table_name, *[column(each) for each in {*key, name}])
    as_text = cast(target.c[name], Text)
    with engine.begin() as connection:
        rows = connection.execute(
            select(*[target.c[each] for each in key], as_text.label("_text")).where(
                as_text.contains(person.user_id, autoescape=True)
            )
        ).all()
        n_redacted = 0
        for *identity, content in rows:
            redacted = redact(content, person)
            if redacted != content:
                has_key = [
                    target.c[each] == value for each, value in zip(key, identity, strict=True)
                ]
                value = cast(redacted, kind) if engine.dialect.name == "postgresql" else redacted
                connection.execute(target.update().where(*has_key).values({name: value}))
                n_redacted += 1
    return n_redacted
