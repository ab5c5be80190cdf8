"""What the person on call does in Airflow's pages, in a real browser, with real nights behind it.

The short form for CI: `pytest -m browser -k short`. Screenshots are kept where EVENSONG_SCREENSHOTS
says, otherwise below pytest's own folder.
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
from feature_store.tables.runs import RUN_METRICS
from tests.support import worlds
from tests.support.nights import LISTS
from tests.support.pages import ARGUMENTS, CHROMIUM, WINDOW, Pages, start_airflow

pytestmark = [pytest.mark.browser, pytest.mark.timeout(3600)]

# Switched on, the DAG runs the newest interval that has ended: it began 26 to 50 hours ago.
NEWEST = (datetime.now(UTC) - timedelta(hours=26)).date()
THREE_DAYS = [NEWEST - timedelta(days=days) for days in (3, 2, 1)]
OLDER, OLDEST = NEWEST - timedelta(days=4), NEWEST - timedelta(days=5)
SCREENSHOTS = os.environ.get("EVENSONG_SCREENSHOTS")


@pytest.fixture(scope="module")
def airflow(tmp_path_factory):
    """Airflow over a tiny world whose last day is the one that a scheduled run covers now."""
    folder = tmp_path_factory.mktemp("up")
    with pytest.MonkeyPatch.context() as moved:
        moved.setattr(worlds, "FIRST_DAY", NEWEST - timedelta(days=worlds.N_DAYS))
        moved.setattr(worlds, "LAST_DAY", NEWEST - timedelta(days=1))
        moved.setattr(worlds, "NEXT_DAY", NEWEST)
        storage = open_storage(str(folder / "lake"))
        worlds.write_tiny_world(storage)
        worlds.write_next_day(storage)
    running = start_airflow(folder, **LISTS)
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def pages(airflow, tmp_path_factory):
    """A browser in which the user `runner` has logged in."""
    kept = Path(SCREENSHOTS) if SCREENSHOTS else tmp_path_factory.mktemp("screenshots")
    kept.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport=WINDOW)
        page.set_default_timeout(60_000)
        opened = Pages(page, airflow, kept)
        opened.log_in("runner")
        yield opened
        browser.close()


def test_short_the_dag_page_shows_the_operators_manual(pages):
    pages.open_dag("evensong_nightly")
    pages.keep("dag")

    said = pages.read_the_manual()

    for heading in ("Reads", "Writes", "When late", "When red", "To re-run", "To backfill"):
        assert heading in said


def test_short_every_dag_is_there_and_none_has_an_import_error(airflow):
    from dags.policy.pools import our_dags

    shown = airflow.api("admin", "GET", "/dags")["dags"]

    assert {dag["dag_id"] for dag in shown} == {dag.dag_id for dag in our_dags()}
    assert airflow.api("admin", "GET", "/importErrors")["total_entries"] == 0


@pytest.mark.parametrize("user", ["viewer", "privacy"])
def test_short_a_user_without_the_role_may_read_the_dag_and_not_run_it(user, airflow):
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
    """The event of the scheduled run: switching the DAG on runs and publishes the newest day."""
    pages.open_dag("evensong_nightly")
    pages.switch_on()
    pages.wait_for("Success", f"scheduled__{NEWEST + timedelta(days=1)}T02:00:00+00:00")
    return open_snapshot(pages.airflow.lake).event


def test_airflow_tells_of_its_tasks_beside_what_the_jobs_tell(pages, newest):
    """OpenLineage by Airflow's provider: which task ran when; the jobs' own events hold the tables."""
    folder = pages.airflow.state / "lineage"
    told = [json.loads(line) for line in (folder / "airflow.jsonl").read_text().splitlines()]

    ended = {event["job"]["name"] for event in told if event["eventType"] == "COMPLETE"}

    by_jobs = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    written = {output["name"] for event in by_jobs for output in event["outputs"]}
    assert {pin.table_name for pin in newest.tables} <= written
    assert {f"evensong_nightly.{pin.table_name}" for pin in newest.tables} <= {
        ".".join(name.split(".")[::2]) if name.count(".") == 2 else name for name in ended
    }


@pytest.fixture(scope="module")
def staged(pages, newest):
    """The events of three older dates, backfilled with publish = auto."""
    pages.backfill(THREE_DAYS[0], THREE_DAYS[-1])
    pages.wait_for("Success", *[_backfill_id(day) for day in THREE_DAYS])
    return events(pages.airflow.lake)[1:]


def test_a_backfill_of_older_dates_is_staged_and_readers_keep_what_they_see(pages, newest, staged):
    assert (newest.as_of, newest.action) == (NEWEST, "publish")
    assert [(event.as_of, event.action) for event in staged] == [
        (day, "stage_only") for day in THREE_DAYS
    ]
    assert {event.actor for event in staged} == {"airflow:evensong_nightly"}
    assert open_snapshot(pages.airflow.lake).event == newest


@pytest.fixture(scope="module")
def cleared(pages, staged):
    """The event of the first of the three dates, cleared in its page and run again."""
    pages.clear(_backfill_id(THREE_DAYS[0]))
    pages.wait_for("Running", _backfill_id(THREE_DAYS[0]))
    pages.wait_for("Success", _backfill_id(THREE_DAYS[0]))
    return events(pages.airflow.lake)[-1]


def test_a_cleared_date_gives_the_same_rows_and_readers_keep_what_they_see(
    pages, newest, staged, cleared
):
    first = staged[0]

    assert (cleared.event_number, cleared.action) == (5, "stage_only")
    assert (cleared.as_of, cleared.run_id) == (first.as_of, first.run_id)
    assert _hashes(cleared) == _hashes(first)
    assert open_snapshot(pages.airflow.lake).event == newest


@pytest.fixture(scope="module")
def made_current(pages, newest):
    """The events of two older dates that a person made current."""
    pages.backfill(OLDEST, OLDER, publish="make_current")
    pages.wait_for("Success", _backfill_id(OLDEST), _backfill_id(OLDER))
    return [event for event in events(pages.airflow.lake) if event.as_of in {OLDEST, OLDER}]


def test_make_current_on_a_range_switches_readers_once_at_its_last_date(pages, made_current):
    assert [(event.as_of, event.action) for event in made_current] == [
        (OLDEST, "stage_only"),
        (OLDER, "publish"),
    ]
    seen = open_snapshot(pages.airflow.lake)
    assert seen.event == made_current[-1]
    assert set(seen.read("rec_topk")["as_of_date"].to_pylist()) == {OLDER}


def test_assets_are_announced_for_published_runs_alone(pages, made_current):
    """Two runs published: the scheduled one, and the older day that a person made current."""
    published = [event for event in events(pages.airflow.lake) if event.action == "publish"]

    told = pages.airflow.api("admin", "GET", "/assets/events?limit=100")["asset_events"]

    assert len(published) == 2
    assert sorted(event["name"] for event in told) == sorted(
        ["rec_topk", "rec_similar_tracks", "rec_changes"] * len(published)
    )


@pytest.fixture(scope="module")
def blocked(pages, made_current):
    """The event of OLDEST's publication, tried again under a rule that its lists break."""
    (pages.airflow.state.parent / "evensong.toml").write_text(
        "[gates]\nmax_popular_tier_ratio = 0.0\n"
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


def test_a_blocked_run_is_red_and_readers_keep_what_they_see(pages, made_current, blocked):
    assert (blocked.as_of, blocked.action, blocked.reason) == (
        OLDEST, "blocked", "popular_tier_ratio",
    )  # fmt: skip
    assert open_snapshot(pages.airflow.lake).event == made_current[-1]


def test_a_waived_run_is_published_by_hand_and_a_rollback_takes_it_back(
    pages, made_current, blocked
):
    lake = pages.airflow.lake
    told = {"run_id": blocked.run_id, "reason": "a quiet week"}
    _by_hand(pages, "evensong_publish", told, ends="Failed")
    assert open_snapshot(lake).event == made_current[-1]
    _by_hand(pages, "evensong_publish", told | {"waived_rule": "popular_tier_ratio"})
    by_hand = open_snapshot(lake)
    assert set(by_hand.read("rec_topk")["as_of_date"].to_pylist()) == {OLDEST}
    waived = "airflow:publisher: a quiet week"
    assert waived in {gate["waived_by"] for gate in by_hand.event.gates}

    earlier = made_current[-1].run_id
    asked = {"run_id": earlier, "reason": "too quiet after all"}
    _by_hand(pages, "evensong_rollback", asked)

    event = open_snapshot(lake).event
    assert (event.action, event.run_id, event.reason) == ("rollback", earlier, asked["reason"])
    assert event.actor == "airflow:publisher"


def test_each_run_wrote_only_the_slice_of_its_day(pages, staged):
    rows = read_table(pages.airflow.lake, RUN_METRICS).to_pylist()

    runs = {(row["run_id"], row["as_of_date"]) for row in rows}
    assert {(event.run_id, event.as_of) for event in staged} <= runs
    assert len(runs) == len({run_id for run_id, _ in runs})


def _by_hand(pages, dag_id, conf, ends="Success"):
    """Triggered by the publisher; the end is looked up in the DAG's page."""
    pages.airflow.api("publisher", "PATCH", f"/dags/{dag_id}", {"is_paused": False})
    asked = {"logical_date": None, "conf": conf}
    run = pages.airflow.api("publisher", "POST", f"/dags/{dag_id}/dagRuns", asked)
    pages.wait_for(ends, run["dag_run_id"], dag_id=dag_id)


def _backfill_id(day):
    return f"backfill__{day + timedelta(days=1)}T02:00:00+00:00"


def _hashes(event):
    return {pin.table_name: pin.content_sha256 for pin in event.tables}
