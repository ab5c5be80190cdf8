"""Airflow on PostgreSQL: it starts, its DAGs run, an erasure finds its rows, and killing `up` ends all of it."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import create_engine, text

from dags.operators.log_redaction import erase_logs
from dags.policy.pools import our_dags
from feature_store.privacy import requests
from feature_store.settings import load_settings
from tests.feature_store.lake.staging import NOON
from tests.support.pages import processes_of, start_airflow
from tests.support.postgres import running_postgres

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

DATABASE = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
GONE_WITHIN_S = 60


def test_short_airflow_on_postgresql(tmp_path, monkeypatch):
    earlier = tmp_path / "state" / "server" / "database-is-ready"
    earlier.parent.mkdir(parents=True)
    earlier.write_text("of another database")
    with running_postgres() as address:
        running = start_airflow(tmp_path, **{DATABASE: address})
        try:
            shown = running.api("admin", "GET", "/dags")["dags"]
            assert {dag["dag_id"] for dag in shown} == {dag.dag_id for dag in our_dags()}

            run = _run_maintenance(running)
            assert _end_of(running, run) == "success"

            monkeypatch.setenv(DATABASE, address)
            settings = load_settings(lake=running.lake, state=running.state)
            asked = requests.record_request(settings, run, actor="officer", now=NOON)
            assert erase_logs(settings, asked.request_id) > 0
            with create_engine(address).connect() as database:
                named = text("SELECT count(*) FROM log WHERE extra LIKE :id")
                assert database.execute(named, {"id": f"%{run}%"}).scalar() == 0
        finally:
            running.process.kill()
        running.process.wait()
        _wait_until_gone(running)


def _run_maintenance(running):
    """Its id: a person's id would be masked in the database as this one is."""
    running.api("runner", "PATCH", "/dags/evensong_maintain", {"is_paused": False})
    asked = {"logical_date": None, "dag_run_id": "maintained-by-hand"}
    return running.api("runner", "POST", "/dags/evensong_maintain/dagRuns", asked)["dag_run_id"]


def _end_of(running, run):
    while True:
        state = running.api("runner", "GET", f"/dags/evensong_maintain/dagRuns/{run}")["state"]
        if state in {"success", "failed"}:
            return state
        time.sleep(2)


def _wait_until_gone(running):
    deadline = time.monotonic() + GONE_WITHIN_S
    while processes_of(running):
        assert time.monotonic() < deadline, processes_of(running)
        time.sleep(0.5)
