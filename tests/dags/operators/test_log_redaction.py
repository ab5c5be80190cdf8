"""Airflow's logs and database stop naming a person and say the rest as before."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime

import pytest

from dags.command.local_airflow import HOMES
from dags.operators.log_redaction import erase_logs
from feature_store.privacy import requests
from tests.support.id_search import traces

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


@pytest.fixture(params=HOMES)
def airflow_home(request, settings, monkeypatch):
    """A database with a table of Airflow's kind: text, JSON, a key, and a number."""
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


def test_the_id_goes_from_logs_and_every_text_column_and_from_free_pages(settings, airflow_home):
    log = airflow_home / "logs" / "dag" / "task.log"
    log.write_text('GateFailed: for example {"user_id":"rock-2"}; rock-20 stays\n')

    assert erase_logs(settings, requested(settings, "rock-2")) == 3

    assert log.read_text() == 'GateFailed: for example {"user_id":"‹erased›"}; rock-20 stays\n'
    with sqlite3.connect(airflow_home / "airflow.db") as database:
        rows = database.execute("SELECT extra, n FROM log ORDER BY id").fetchall()
        notes = database.execute("SELECT content FROM note").fetchall()
    assert rows == [('row {"user_id":"‹erased›"}', 7), ("rock-20 is fine", 7)]
    assert notes == [('["‹erased›", "rock-3"]',)]
    assert traces(airflow_home, '"rock-2"') == []


def test_an_id_of_digits_leaves_the_database_alone(settings, airflow_home):
    """`7` is in every second row, and none of them is about a person."""
    before = (airflow_home / "airflow.db").read_bytes()

    erase_logs(settings, requested(settings, "7"))

    assert (airflow_home / "airflow.db").read_bytes() == before


def test_where_airflow_never_ran_there_is_nothing_to_do(settings):
    assert erase_logs(settings, requested(settings, "rock-2")) == 0
