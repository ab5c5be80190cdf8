"""An erased person stays erased over five nights in which the source sends the rows again.

The test takes ten minutes, so it is marked slow; test_erasure.py is its short form.
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
from jobs.landing.writer import LandingWriter
from jobs.privacy.erasure import request_erasure, status
from tests.support import toy_dataset
from tests.support.id_search import files_containing_id

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

ERASED = "jazz-4"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
N_NIGHTS = 5


def test_after_five_nights_and_a_backfill_nothing_names_an_erased_person(
    tmp_path, run_night, monkeypatch
):
    """The lake, the state, Airflow's database and its logs lack the id; every night publishes."""
    lake = tmp_path / "lake"
    storage = open_storage(str(lake))
    toy_dataset.land_toy_dataset(storage)
    run_night(lake, toy_dataset.LAST_DAY)
    settings = load_settings(lake=str(lake), state=f"{lake}-state")
    request_id = request_erasure(settings, ERASED, actor="officer", now=NOON)
    assert len(files_containing_id(tmp_path, ERASED)) > 20

    _erase_through_the_dag(lake, request_id, monkeypatch)

    assert status(settings, request_id) == "finished"
    assert files_containing_id(tmp_path, ERASED) == []
    for number in range(1, N_NIGHTS + 1):
        day = toy_dataset.LAST_DAY + timedelta(days=number)
        LandingWriter(storage).write_rows(
            "listens", day, pa.Table.from_pylist(toy_dataset.listens_on(day))
        )
        toy_dataset.land_toy_dataset(storage)  # the source sends its old files again every day
        run_night(lake, day)
        assert open_snapshot(str(lake)).as_of == day
        assert files_containing_id(tmp_path, ERASED) == [], day
    run_night(lake, toy_dataset.LAST_DAY + timedelta(days=2))
    assert events(str(lake))[-1].action == "stage_only"
    assert files_containing_id(tmp_path, ERASED) == []
    assert files_containing_id(Path(os.environ["AIRFLOW_HOME"]), f'"{ERASED}"') == []
    user_ids = set(open_snapshot(str(lake)).read("rec_topk")["user_id"].to_pylist())
    assert user_ids == {
        *toy_dataset.LISTENERS,
        toy_dataset.FOLLOWER,
        toy_dataset.FAN,
        toy_dataset.COLD_START_USER,
    } - {
        ERASED,
        toy_dataset.OPTED_OUT,
    }


def _erase_through_the_dag(lake, request_id, monkeypatch):
    """Run the DAG as Airflow does, with the request's id as its parameter."""
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
