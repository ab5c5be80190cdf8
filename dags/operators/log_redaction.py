"""Redact a person's id in Airflow's logs and database, in Spark's logs, and in what tasks left.

No task receives a person's id, and our messages hold none. But another library's error may quote a
row, Java prints to spark.log what broke it, and logs of earlier versions hold examples of gates.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import Engine, Text, cast, create_engine, inspect, or_, text
from sqlalchemy.sql import column, select, table

from dags.policy.airflow_homes import AIRFLOW_HOMES
from feature_store.privacy.log_files import files_below, is_own_file, redact_log
from feature_store.privacy.person_filter import Person, redact
from feature_store.privacy.requests import add_removed_counts, load_request
from feature_store.spark.local_folder import discard_abandoned

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

    Also deletes what killed Spark jobs left on the disk, which no search could read.

    Raises:
        UnknownRequest: no unfinished request has that id.
        LogUnreadable: a rotated log is damaged.
    """
    person = Person(load_request(settings, request_id).user_id)
    n_redacted = sum(redact_log(file, person) for file in list(_log_files(settings.state)))
    if _is_distinctive(person):
        n_redacted += sum(
            _redact_database(create_engine(url), person) for url in _database_urls(settings)
        )
    removed = {"airflow": n_redacted, "spark leftovers": discard_abandoned(settings.state)}
    add_removed_counts(settings, request_id, removed)
    LOG.info("erased from logs", request_id=request_id, redacted=n_redacted)
    return n_redacted


def _log_files(state: Path) -> Iterator[Path]:
    """Logs of Airflow, of its servers and of Spark's Java, rotated ones too."""
    for folder in (state, *(state / home for home in AIRFLOW_HOMES)):
        yield from (file for file in sorted(folder.glob("*.log*")) if is_own_file(file))
    for home in AIRFLOW_HOMES:
        yield from files_below(state / home / "logs")


def _database_urls(settings: Settings) -> list[str]:
    """URLs of Airflow's databases: the configured one and the SQLite files in our homes."""
    files = [settings.state / home / "airflow.db" for home in AIRFLOW_HOMES]
    local = [f"sqlite:///{file}" for file in files if file.is_file()]
    configured = os.environ.get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN")
    return list(dict.fromkeys([configured, *local] if configured else local))


def _is_distinctive(person: Person) -> bool:
    """Whether the id differs from ordinary values: `ok` is in every second row of a database.

    For a number its surroundings decide (feature_store.privacy.id_spellings).
    """
    return len(person.user_id) >= _MIN_DISTINCTIVE_CHARACTERS or person.user_id.isdigit()


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
                or_(*[as_text.contains(each, autoescape=True) for each in person.spellings])
            )
        ).all()
        n_redacted = 0
        for *identity, content in rows:
            redacted = redact(content, person, with_bare_numbers=False)
            if redacted != content:
                has_key = [
                    target.c[each] == value for each, value in zip(key, identity, strict=True)
                ]
                value = cast(redacted, kind) if engine.dialect.name == "postgresql" else redacted
                connection.execute(target.update().where(*has_key).values({name: value}))
                n_redacted += 1
    return n_redacted
