"""Five more nights after an erasure by the DAG, each landing the person anew: never back.

Takes some ten minutes, so it is marked slow; test_erasure.py is its short form.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from feature_store.lake.storage import open_storage
from feature_store.publishing.snapshot import events, open_snapshot
from feature_store.settings import load_settings
from jobs.landing.manifests import LandingWriter
from jobs.privacy.erasure import request_erasure, status
from tests.support import worlds
from tests.support.id_search import traces

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

ERASED = "jazz-4"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
N_NIGHTS = 5


def test_five_nights_and_a_backfill_after_an_erasure_nothing_names_the_person(
    tmp_path, run_night, monkeypatch
):
    """Lake, state and Airflow's own database and logs; every night publishes a full set of lists."""
    lake = tmp_path / "lake"
    storage = open_storage(str(lake))
    worlds.write_tiny_world(storage)
    run_night(lake, worlds.LAST_DAY)
    settings = load_settings(lake=str(lake), state=f"{lake}-state")
    request_id = request_erasure(settings, ERASED, actor="officer", now=NOON)
    assert len(traces(tmp_path, ERASED)) > 20

    _erase_through_the_dag(lake, request_id, monkeypatch)

    assert status(settings, request_id) == "finished"
    assert traces(tmp_path, ERASED) == []
    for number in range(1, N_NIGHTS + 1):
        day = worlds.LAST_DAY + timedelta(days=number)
        LandingWriter(storage).rows("listens", day, pa.Table.from_pylist(worlds._listens_of(day)))
        worlds.write_tiny_world(storage)  # the source sends its old files again, every day
        run_night(lake, day)
        assert open_snapshot(str(lake)).as_of == day
        assert traces(tmp_path, ERASED) == [], day
    run_night(lake, worlds.LAST_DAY + timedelta(days=2))
    assert events(str(lake))[-1].action == "stage_only"
    assert traces(tmp_path, ERASED) == []
    assert traces(Path(os.environ["AIRFLOW_HOME"]), f'"{ERASED}"') == []
    people = set(open_snapshot(str(lake)).read("rec_topk")["user_id"].to_pylist())
    assert people == {*worlds.LISTENERS, worlds.FOLLOWER, worlds.STRANGER} - {
        ERASED,
        worlds.OPTED_OUT,
    }


def _erase_through_the_dag(lake, request_id, monkeypatch):
    """As Airflow runs it: its parameter is the request's id."""
    from dags.erase import evensong_erase

    monkeypatch.setenv("EVENSONG_LAKE", str(lake))
    monkeypatch.setenv("EVENSONG_STATE", f"{lake}-state")
    monkeypatch.setenv("EVENSONG_PRIVACY__READER_GRACE_S", "0")
    dag = evensong_erase()
    for task in dag.tasks:
        task.retries = 0
    run = dag.test(run_conf={"request_id": request_id})
    assert run.state == "success"
    for name in ("EVENSONG_LAKE", "EVENSONG_STATE", "EVENSONG_PRIVACY__READER_GRACE_S"):
        monkeypatch.delenv(name)
