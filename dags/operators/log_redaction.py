"""Redact people's ids in Airflow's logs and database, in Spark's logs, and in what tasks left.

No task receives a person's id, and our messages hold none. But another library's error may quote a
row, Java prints to spark.log what broke it, and logs of earlier versions hold examples of gates.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import Connection, Engine, Text, cast, create_engine, inspect, or_, text
from sqlalchemy.sql import TableClause, column, select, table

from dags.policy.airflow_homes import AIRFLOW_HOMES
from feature_store.privacy.batch import load_batch
from feature_store.privacy.log_files import files_below, is_own_file, redact_log
from feature_store.privacy.person_filter import People, Person, redact
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
_SPELLINGS_A_QUERY = 100  # SQLite takes an expression of at most 1000 parts


def erase_logs(settings: Settings, *request_ids: str) -> int:
    """Replace the people's ids with a placeholder; returns the changed files and database values.

    Also deletes what killed Spark jobs left on the disk, which no search could read.

    Raises:
        UnknownRequest: a request is not there or finished.
        LogUnreadable: a rotated log is damaged.
    """
    batch = load_batch(settings, request_ids)
    named = [redact_log(file, batch.people) for file in list(_log_files(settings.state))]
    distinctive = {each.user_id for each in batch.requests if _is_distinctive(each.user_id)}
    if distinctive:
        people = People([Person(user_id) for user_id in sorted(distinctive)])
        for url in _database_urls(settings):
            named += _redact_database(create_engine(url), people)
    redacted = [ids for ids in named if ids]
    batch.add("airflow", Counter(user_id for ids in redacted for user_id in ids))
    batch.add_to_all({"spark leftovers": discard_abandoned(settings.state)})
    LOG.info("erased from logs", request_ids=batch.request_ids, redacted=len(redacted))
    return len(redacted)


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


def _is_distinctive(user_id: str) -> bool:
    """Whether the id differs from ordinary values: `ok` is in every second row of a database.

    For a number its surroundings decide (feature_store.privacy.id_spellings).
    """
    return len(user_id) >= _MIN_DISTINCTIVE_CHARACTERS or user_id.isdigit()


def _redact_database(engine: Engine, people: People) -> list[Sequence[str]]:
    """The ids that were in each changed value."""
    named: list[Sequence[str]] = []
    for table_name in inspect(engine).get_table_names():
        if table_name not in _SKIPPED_TABLES:
            named += _redact_table(engine, table_name, people)
    if engine.dialect.name == "sqlite" and named:
        # SQLite keeps old values in free pages until VACUUM rewrites the file.
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM"))
            connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    engine.dispose()
    return named


def _redact_table(engine: Engine, table_name: str, people: People) -> list[Sequence[str]]:
    inspector = inspect(engine)
    key = inspector.get_pk_constraint(table_name)["constrained_columns"]
    named: list[Sequence[str]] = []
    for described in inspector.get_columns(table_name):
        is_text = str(described["type"]).upper().startswith(_TEXT_TYPES)
        if is_text and key and described["name"] not in key:
            named += _redact_column(engine, table_name, key, described, people)
    return named


def _redact_column(
    engine: Engine, table_name: str, key: list[str], described: Any, people: People
) -> list[Sequence[str]]:
    name, kind = described["name"], described["type"]
    target = table(table_name, *[column(each) for each in {*key, name}])
    as_text = cast(target.c[name], Text)
    named = []
    with engine.begin() as connection:
        for identity, content in _values_with_ids(connection, target, key, as_text, people):
            redacted = redact(content, people, with_bare_numbers=False)
            if redacted != content:
                has_key = [
                    target.c[each] == value for each, value in zip(key, identity, strict=True)
                ]
                value = cast(redacted, kind) if engine.dialect.name == "postgresql" else redacted
                connection.execute(target.update().where(*has_key).values({name: value}))
                named.append(people.known_in_text(content))
    return named


def _values_with_ids(
    connection: Connection, target: TableClause, key: list[str], as_text: Any, people: People
) -> list[tuple[tuple[Any, ...], str]]:
    """Keys and texts of the rows that have a spelling of an id; each row once."""
    found = {}
    for start in range(0, len(people.spellings), _SPELLINGS_A_QUERY):
        spellings = people.spellings[start : start + _SPELLINGS_A_QUERY]
        rows = connection.execute(
            select(*[target.c[each] for each in key], as_text.label("_text")).where(
                or_(*[as_text.contains(each, autoescape=True) for each in spellings])
            )
        )
        found.update({tuple(identity): content for *identity, content in rows})
    return list(found.items())
