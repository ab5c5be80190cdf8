"""Airflow on PostgreSQL starts, runs a DAG, erases a user's rows, and ends with `evensong up`."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import create_engine, text

from dags.operators.log_redaction import erase_logs
from dags.policy.pools import our_dags
from feature_store.privacy import requests
from feature_store.settings import load_settings
from tests.feature_store.publishing.staging import NOON
from tests.support.airflow_server import server_processes, start_airflow
from tests.support.postgres import running_postgres

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

DATABASE = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
EXIT_TIMEOUT_S = 60


def test_short_airflow_on_postgresql(tmp_path, monkeypatch):
    stale_marker = tmp_path / "state" / "server" / "database-is-ready"
    stale_marker.parent.mkdir(parents=True)
    stale_marker.write_text("of another database")
    with running_postgres() as address:
        running = start_airflow(tmp_path, **{DATABASE: address})
        try:
            dags = running.api("admin", "GET", "/dags")["dags"]
            assert {dag["dag_id"] for dag in dags} == {dag.dag_id for dag in our_dags()}

            run = _run_maintenance(running)
            assert _final_state(running, run) == "success"

            monkeypatch.setenv(DATABASE, address)
            settings = load_settings(lake=running.lake, state=running.state)
            request = requests.record_request(settings, run, actor="officer", now=NOON)
            assert erase_logs(settings, request.request_id) > 0
            with create_engine(address).connect() as database:
                mentions = text("SELECT count(*) FROM log WHERE extra LIKE :id")
                assert database.execute(mentions, {"id": f"%{run}%"}).scalar() == 0
        finally:
            running.process.kill()
        running.process.wait()
        _wait_for_exit(running)


def _run_maintenance(running):
    """Trigger the maintenance and return the run's id, which stands for a user's id in the logs."""
    running.api("runner", "PATCH", "/dags/evensong_maintain", {"is_paused": False})
    run = {"logical_date": None, "dag_run_id": "maintained-by-hand"}
    return running.api("runner", "POST", "/dags/evensong_maintain/dagRuns", run)["dag_run_id"]


def _final_state(running, run):
    while True:
        state = running.api("runner", "GET", f"/dags/evensong_maintain/dagRuns/{run}")["state"]
        if state in {"success", "failed"}:
            return state
        time.sleep(2)


def _wait_for_exit(running):
    deadline = time.monotonic() + EXIT_TIMEOUT_S
    while server_processes(running):
        assert time.monotonic() < deadline, server_processes(running)
        time.sleep(0.5)
