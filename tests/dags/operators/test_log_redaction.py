"""Log redaction replaces a person's id in Airflow's logs and database and keeps the rest."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime

import pytest

from dags.operators.log_redaction import erase_logs
from dags.policy.airflow_homes import AIRFLOW_HOMES
from feature_store.privacy import requests
from tests.support.id_search import files_containing_id

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


@pytest.fixture(params=AIRFLOW_HOMES)
def airflow_home(request, settings, monkeypatch):
    """A home whose database has tables like Airflow's: text, JSON, a key and a number."""
    monkeypatch.delenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", raising=False)
    home = settings.state / request.param
    (home / "logs" / "dag").mkdir(parents=True)
    with sqlite3.connect(home / "airflow.db") as database:
        database.execute("CREATE TABLE log (id INTEGER PRIMARY KEY, event VARCHAR(60), extra TEXT, n INTEGER)")  # fmt: skip
        database.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, content JSON)")
        database.execute("INSERT INTO log VALUES (1, 'failed', 'row {\"user_id\":\"rock-2\"}', 7), (2, 'ok', 'rock-20 is fine', 7)")  # fmt: skip
        database.execute('INSERT INTO note VALUES (1, \'["rock-2", "rock-3"]\')')
    return home


def requested(settings, user_id):
    return requests.record_request(settings, user_id, actor="officer", now=NOON).request_id


def test_the_id_is_redacted_in_logs_text_columns_and_free_pages(settings, airflow_home):
    log = airflow_home / "logs" / "dag" / "task.log"
    log.write_text('GateFailed: for example {"user_id":"rock-2"}; rock-20 stays\n')

    assert erase_logs(settings, requested(settings, "rock-2")) == 3

    assert log.read_text() == 'GateFailed: for example {"user_id":"‹erased›"}; rock-20 stays\n'
    with sqlite3.connect(airflow_home / "airflow.db") as database:
        rows = database.execute("SELECT extra, n FROM log ORDER BY id").fetchall()
        notes = database.execute("SELECT content FROM note").fetchall()
    assert rows == [('row {"user_id":"‹erased›"}', 7), ("rock-20 is fine", 7)]
    assert notes == [('["‹erased›", "rock-3"]',)]
    assert files_containing_id(airflow_home, '"rock-2"') == []


@pytest.mark.parametrize(
    ("user_id", "in_database"),
    [("r2d", "‹erased›"), ("r2", "r2"), ("1234567", "1234567"), ("123456x", "‹erased›")],
)
def test_the_database_is_redacted_of_ids_of_three_characters_that_are_not_all_digits(
    settings, airflow_home, user_id, in_database
):
    """Shorter ids and numbers are everyday values of a database; log files are redacted of every id."""
    log = airflow_home / "logs" / "dag" / "task.log"
    log.write_text(f"row of {user_id}\n")
    with sqlite3.connect(airflow_home / "airflow.db") as database:
        database.execute("INSERT INTO log VALUES (3, 'failed', ?, 7)", (f"row of {user_id}",))

    n_redacted = erase_logs(settings, requested(settings, user_id))

    assert log.read_text() == "row of ‹erased›\n"
    with sqlite3.connect(airflow_home / "airflow.db") as database:
        [(extra,)] = database.execute("SELECT extra FROM log WHERE id = 3")
    assert extra == f"row of {in_database}"
    assert n_redacted == (1 if in_database == user_id else 2)


def test_an_id_of_digits_is_not_redacted_in_the_database(settings, airflow_home):
    """`7` is in every second row, and no such row is about a person."""
    before = (airflow_home / "airflow.db").read_bytes()

    erase_logs(settings, requested(settings, "7"))

    assert (airflow_home / "airflow.db").read_bytes() == before


def test_without_an_airflow_home_nothing_is_redacted(settings):
    assert erase_logs(settings, requested(settings, "rock-2")) == 0
