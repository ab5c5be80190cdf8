"""Operators run, backfill, clear, publish and roll back nights in Airflow's pages, in a real browser.

The short form for CI: `pytest -m browser -k short`. Screenshots are saved in the folder
EVENSONG_SCREENSHOTS, or below pytest's temporary folder if that is not set.
"""

from __future__ import annotations

import json
import os
import urllib.error
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from feature_store.lake.arrow_io import read_table
from feature_store.lake.storage import open_storage
from feature_store.publishing.snapshot import events, open_snapshot
from feature_store.runs.lineage import dataset_name
from feature_store.tables.runs import RUN_METRICS
from tests.support import toy_dataset
from tests.support.airflow_pages import CHROMIUM, CHROMIUM_ARGUMENTS, WINDOW, Pages
from tests.support.airflow_server import start_airflow

pytestmark = [pytest.mark.browser, pytest.mark.timeout(3600)]

# Unpaused, the DAG runs the newest interval that has ended: it began 26 to 50 hours ago.
NEWEST = (datetime.now(UTC) - timedelta(hours=26)).date()
THREE_DAYS = [NEWEST - timedelta(days=days) for days in (3, 2, 1)]
OLDER, OLDEST = NEWEST - timedelta(days=4), NEWEST - timedelta(days=5)
SCREENSHOTS = os.environ.get("EVENSONG_SCREENSHOTS")


@pytest.fixture(scope="module")
def airflow(tmp_path_factory):
    """Airflow on a toy data set whose last day is that of the scheduled run."""
    folder = tmp_path_factory.mktemp("up")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(toy_dataset, "FIRST_DAY", NEWEST - timedelta(days=toy_dataset.N_DAYS))
        patch.setattr(toy_dataset, "LAST_DAY", NEWEST - timedelta(days=1))
        patch.setattr(toy_dataset, "NEXT_DAY", NEWEST)
        storage = open_storage(str(folder / "lake"))
        toy_dataset.land_toy_dataset(storage)
        toy_dataset.land_next_day(storage)
    running = start_airflow(folder, **toy_dataset.LISTS)
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def pages(airflow, tmp_path_factory):
    """A browser in which the user `runner` has logged in."""
    folder = Path(SCREENSHOTS) if SCREENSHOTS else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        page = browser.new_page(viewport=WINDOW)
        page.set_default_timeout(60_000)
        pages = Pages(page, airflow, folder)
        pages.log_in("runner")
        yield pages
        browser.close()


def test_short_the_dag_page_shows_the_operators_manual(pages):
    pages.open_dag("evensong_nightly")
    pages.screenshot("dag")

    manual = pages.read_manual()

    for heading in ("Reads", "Writes", "When late", "When red", "To re-run", "To backfill"):
        assert heading in manual


def test_short_airflow_lists_every_dag_without_an_import_error(airflow):
    from dags.policy.pools import our_dags

    dags = airflow.api("admin", "GET", "/dags")["dags"]

    assert {dag["dag_id"] for dag in dags} == {dag.dag_id for dag in our_dags()}
    assert airflow.api("admin", "GET", "/importErrors")["total_entries"] == 0


@pytest.mark.parametrize("user", ["viewer", "privacy"])
def test_short_a_user_without_the_role_may_read_the_dag_but_not_run_it(user, airflow):
    assert airflow.api(user, "GET", "/dags/evensong_nightly")["dag_id"] == "evensong_nightly"

    with pytest.raises(urllib.error.HTTPError) as refused:
        airflow.api(user, "POST", "/dags/evensong_nightly/dagRuns", {"logical_date": None})

    assert refused.value.code == 403


def test_short_only_its_owner_may_read_the_passwords(airflow):
    secrets = [airflow.state / "server" / "passwords.json"]
    secrets += sorted((airflow.state / "server" / "secrets").iterdir())

    assert len(secrets) == 4
    for file in secrets:
        assert file.stat().st_mode & 0o777 == 0o600, file


@pytest.fixture(scope="module")
def newest(pages):
    """The event of the scheduled run: the unpaused DAG runs and publishes the newest day."""
    pages.open_dag("evensong_nightly")
    pages.unpause()
    pages.wait_for("Success", f"scheduled__{NEWEST + timedelta(days=1)}T02:00:00+00:00")
    return open_snapshot(pages.airflow.lake).event


def test_lineage_has_events_of_airflow_tasks_and_of_jobs(pages, newest):
    """Airflow's OpenLineage provider records which task ran when; the jobs' events name the tables."""
    folder = pages.airflow.state / "lineage"
    task_events = [json.loads(line) for line in (folder / "airflow.jsonl").read_text().splitlines()]

    ended = {event["job"]["name"] for event in task_events if event["eventType"] == "COMPLETE"}

    job_events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    written = {output["name"] for event in job_events for output in event["outputs"]}
    tables = {dataset_name(pages.airflow.lake, pin.table_name)[1] for pin in newest.tables}
    assert tables <= written
    assert {f"evensong_nightly.{pin.table_name}" for pin in newest.tables} <= {
        ".".join(name.split(".")[::2]) if name.count(".") == 2 else name for name in ended
    }


@pytest.fixture(scope="module")
def staged(pages, newest):
    """The events of three older dates, backfilled with publish = auto."""
    pages.backfill(THREE_DAYS[0], THREE_DAYS[-1])
    pages.wait_for("Success", *[_backfill_id(day) for day in THREE_DAYS])
    return events(pages.airflow.lake)[1:]


def test_a_backfill_of_older_dates_is_staged_and_readers_keep_their_snapshot(pages, newest, staged):
    assert (newest.as_of, newest.action) == (NEWEST, "publish")
    assert [(event.as_of, event.action) for event in staged] == [
        (day, "stage_only") for day in THREE_DAYS
    ]
    assert {event.actor for event in staged} == {"airflow:evensong_nightly"}
    assert open_snapshot(pages.airflow.lake).event == newest


@pytest.fixture(scope="module")
def cleared(pages, staged):
    """The event of the first of the three dates after an operator cleared its run."""
    pages.clear(_backfill_id(THREE_DAYS[0]))
    pages.wait_for("Running", _backfill_id(THREE_DAYS[0]))
    pages.wait_for("Success", _backfill_id(THREE_DAYS[0]))
    return events(pages.airflow.lake)[-1]


def test_a_cleared_date_gives_the_same_rows_and_readers_keep_their_snapshot(
    pages, newest, staged, cleared
):
    first = staged[0]

    assert (cleared.event_number, cleared.action) == (5, "stage_only")
    assert (cleared.as_of, cleared.run_id) == (first.as_of, first.run_id)
    assert _hashes(cleared) == _hashes(first)
    assert open_snapshot(pages.airflow.lake).event == newest


@pytest.fixture(scope="module")
def made_current(pages, newest):
    """The events of two older dates that an operator made current."""
    pages.backfill(OLDEST, OLDER, publish="make_current")
    pages.wait_for("Success", _backfill_id(OLDEST), _backfill_id(OLDER))
    return [event for event in events(pages.airflow.lake) if event.as_of in {OLDEST, OLDER}]


def test_make_current_on_a_range_switches_readers_once_at_its_last_date(pages, made_current):
    assert [(event.as_of, event.action) for event in made_current] == [
        (OLDEST, "stage_only"),
        (OLDER, "publish"),
    ]
    snapshot = open_snapshot(pages.airflow.lake)
    assert snapshot.event == made_current[-1]
    assert set(snapshot.read("rec_topk")["as_of_date"].to_pylist()) == {OLDER}


def test_only_published_runs_emit_asset_events(pages, made_current):
    """Two runs published: the scheduled one, and the older day that an operator made current."""
    published = [event for event in events(pages.airflow.lake) if event.action == "publish"]

    asset_events = pages.airflow.api("admin", "GET", "/assets/events?limit=100")["asset_events"]

    assert len(published) == 2
    assert sorted(event["name"] for event in asset_events) == sorted(
        ["rec_topk", "rec_similar_tracks", "rec_changes", "rec_mood"] * len(published)
    )


@pytest.fixture(scope="module")
def blocked(pages, made_current):
    """The event of a second publication of OLDEST, under a gate that its lists break."""
    (pages.airflow.state.parent / "evensong.toml").write_text(
        "[gates]\nmax_isolated_user_ratio = 0.0\n"
    )
    pages.airflow.api(
        "runner",
        "POST",
        "/dags/evensong_nightly/clearTaskInstances",
        {
            "dag_run_id": _backfill_id(OLDEST),
            "task_ids": ["published_runs"],
            "include_downstream": True,
            "only_failed": False,
            "dry_run": False,
        },
    )
    pages.wait_for("Failed", _backfill_id(OLDEST))
    (pages.airflow.state.parent / "evensong.toml").unlink()
    return events(pages.airflow.lake)[-1]


def test_a_blocked_run_is_red_and_readers_keep_their_snapshot(pages, made_current, blocked):
    assert (blocked.as_of, blocked.action, blocked.reason) == (
        OLDEST, "blocked", "isolated_user_ratio",
    )  # fmt: skip
    assert open_snapshot(pages.airflow.lake).event == made_current[-1]


def test_an_operator_publishes_a_waived_run_and_rolls_it_back(pages, made_current, blocked):
    lake = pages.airflow.lake
    conf = {"run_id": blocked.run_id, "reason": "a quiet week"}
    _trigger(pages, "evensong_publish", conf, ends="Failed")
    assert open_snapshot(lake).event == made_current[-1]
    _trigger(pages, "evensong_publish", conf | {"waived_rule": "isolated_user_ratio"})
    published = open_snapshot(lake)
    assert set(published.read("rec_topk")["as_of_date"].to_pylist()) == {OLDEST}
    waived = "airflow:publisher: a quiet week"
    assert waived in {gate["waived_by"] for gate in published.event.gates}

    earlier = made_current[-1].run_id
    conf = {"run_id": earlier, "reason": "too quiet after all"}
    _trigger(pages, "evensong_rollback", conf)

    event = open_snapshot(lake).event
    assert (event.action, event.run_id, event.reason) == ("rollback", earlier, conf["reason"])
    assert event.actor == "airflow:publisher"


def test_each_run_writes_only_the_slice_of_its_day(pages, staged):
    rows = read_table(pages.airflow.lake, RUN_METRICS).to_pylist()

    runs = {(row["run_id"], row["as_of_date"]) for row in rows}
    assert {(event.run_id, event.as_of) for event in staged} <= runs
    assert len(runs) == len({run_id for run_id, _ in runs})


def _trigger(pages, dag_id, conf, ends="Success"):
    """Trigger a DAG as the publisher and wait for its end in the DAG's page."""
    pages.airflow.api("publisher", "PATCH", f"/dags/{dag_id}", {"is_paused": False})
    body = {"logical_date": None, "conf": conf}
    run = pages.airflow.api("publisher", "POST", f"/dags/{dag_id}/dagRuns", body)
    pages.wait_for(ends, run["dag_run_id"], dag_id=dag_id)


def _backfill_id(day):
    return f"backfill__{day + timedelta(days=1)}T02:00:00+00:00"


def _hashes(event):
    return {pin.table_name: pin.content_sha256 for pin in event.tables}
