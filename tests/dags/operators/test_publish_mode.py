"""Publish mode: a backfill with make_current switches readers once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from tests.feature_store.publishing.staging import MARCH_1, MARCH_3, NOON, publish_run, staged_run

STARTED_AT = NOON - timedelta(hours=1)


@pytest.fixture
def mode_of(settings, monkeypatch):
    """The mode of MARCH_2's run while Airflow has the unfinished runs `waiting`, by id."""
    from dags.operators.publish_mode import publish_mode

    monkeypatch.setenv("EVENSONG_LAKE", settings.lake)
    monkeypatch.setenv("EVENSONG_STATE", str(settings.state))

    def ask(
        *, publish="make_current", waiting=(), run_type="backfill", began=STARTED_AT, cleared=0
    ):
        begins = datetime(2026, 3, 2, 2, tzinfo=UTC)
        run = SimpleNamespace(
            dag_id="evensong_nightly", run_id="r", run_type=run_type, clear_number=cleared,
            run_after=begins + timedelta(days=1), start_date=began,
        )  # fmt: skip
        counted = SimpleNamespace(
            get_dr_count=lambda _dag, *, run_ids, states: (
                len(set(run_ids) & set(waiting)) if states == ["queued", "running"] else 0
            )
        )
        return publish_mode(
            {"params": {"publish": publish}, "dag_run": run, "ti": counted, "run_id": "r",
             "data_interval_start": begins}
        )  # fmt: skip

    return ask


def test_the_last_date_switches_readers(mode_of):
    assert mode_of() == "make_current"


def test_an_earlier_date_stages_while_a_later_run_is_unfinished(mode_of):
    assert mode_of(waiting=["backfill__2026-03-04T02:00:00+00:00"]) == "stage_only"


def test_runs_of_the_next_31_days_are_later_runs_of_the_backfill(mode_of):
    """The night of 2 March runs on 3 March; 31 days later is 3 April, the last date of 32 nights."""
    assert mode_of(waiting=["backfill__2026-04-03T02:00:00+00:00"]) == "stage_only"
    assert mode_of(waiting=["backfill__2026-04-04T02:00:00+00:00"]) == "make_current"


def test_a_scheduled_run_does_not_count_as_a_run_of_the_backfill(mode_of):
    assert mode_of(waiting=["scheduled__2026-03-04T02:00:00+00:00"]) == "make_current"


def test_a_run_that_began_before_a_later_day_became_current_stages(mode_of, settings):
    """The run of the last date published at noon, in parallel with this run."""
    publish_run(staged_run(settings, MARCH_3, "r3"))

    assert mode_of(began=NOON - timedelta(minutes=1)) == "stage_only"
    assert mode_of(began=NOON + timedelta(minutes=1)) == "make_current"


def test_readers_of_an_earlier_day_get_the_newer_one(mode_of, settings):
    publish_run(staged_run(settings, MARCH_1, "r1"))

    assert mode_of() == "make_current"


def test_a_cleared_run_becomes_auto(mode_of):
    """A run with auto publishes only when readers have no newer day."""
    assert mode_of(cleared=1) == "auto"


@pytest.mark.parametrize("publish", ["auto", "stage_only"])
def test_other_modes_and_other_kinds_of_run_stay_unchanged(mode_of, publish):
    assert mode_of(publish=publish) == publish
    assert mode_of(run_type="manual", cleared=1) == "make_current"
