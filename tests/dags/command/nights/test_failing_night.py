"""A failing night says at once which task failed and why, and ends without running other branches."""

from __future__ import annotations

import io
from datetime import date

import pytest
from rich.console import Console

from feature_store.setting_groups import LandingSettings

MARCH_1 = date(2026, 3, 1)
JAVA_ERROR = (
    "Job aborted due to stage failure: Task 0 in stage 3.0 failed 1 times, most recent failure: "
    "Lost task 0.0 in stage 3.0 (TID 3) (127.0.0.1 executor driver): raw_users: [red]broken[/]\n"
    "\tat java.base/java.lang.Thread.run(Thread.java:840)\n\nDriver stacktrace:\n\tat a.b(C.scala:1)"
)


@pytest.fixture
def ran(monkeypatch, session_settings):
    """The tasks that ran: raw_users fails, raw_tracks and core_tracks do not wait for it."""
    from dags.command.nights.local_airflow import prepare

    prepare(session_settings)
    from airflow.sdk import dag, task

    from dags import nightly
    from dags.policy.defaults import START_DATE

    started = []

    @dag(dag_id="evensong_nightly", start_date=START_DATE, schedule=nightly.NIGHTLY)
    def small_night():
        @task
        def raw_users():
            started.append("raw_users")
            raise ValueError(JAVA_ERROR)

        @task
        def raw_tracks():
            started.append("raw_tracks")

        @task
        def core_tracks():
            started.append("core_tracks")

        @task
        def published_runs():
            started.append("published_runs")

        @task
        def report():
            started.append("report")

        users, published = raw_users(), published_runs()
        raw_tracks() >> core_tracks() >> published
        users >> published >> report().as_teardown()

    monkeypatch.setattr(nightly, "evensong_nightly", small_night)
    return started


@pytest.mark.parametrize("as_of", [MARCH_1, LandingSettings().earliest_date])
def test_the_first_failure_is_printed_at_once_and_ends_the_night(ran, as_of):
    from dags.command.nights.local_airflow import NightFailed, run_night
    from dags.command.nights.progress import NightProgress

    printed = io.StringIO()
    with (
        NightProgress(Console(file=printed, width=60)) as progress,
        pytest.raises(NightFailed, match=r"^raw_users: raw_users: \[red\]broken\[/\]$"),
    ):
        run_night(as_of, {}, progress)

    assert "  ✗ raw_users: raw_users: [red]broken[/]\n" in printed.getvalue()
    assert "java.base" not in printed.getvalue()
    assert "core_tracks" not in ran
    assert "published_runs" not in ran
    assert ran[-1] == "report"


def test_a_day_before_any_other_has_no_night_and_says_so(ran):
    from dags.command.nights.local_airflow import NightFailed, run_night

    with pytest.raises(NightFailed, match="no day before 1970-01-01 has a night"):
        run_night(date(1969, 12, 31), {}, None)

    assert ran == []
