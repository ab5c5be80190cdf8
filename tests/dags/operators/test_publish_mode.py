"""What a backfill with make_current leaves for readers, run by run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from tests.feature_store.lake.staging import MARCH_1, MARCH_3, NOON, publish_run, staged_run

BEGAN = NOON - timedelta(hours=1)


@pytest.fixture
def mode_of(settings, monkeypatch):
    """The mode of MARCH_2's run; Airflow knows of the runs in `waiting`, by id."""
    from dags.operators.tasks import _mode_of

    monkeypatch.setenv("EVENSONG_LAKE", settings.lake)
    monkeypatch.setenv("EVENSONG_STATE", str(settings.state))

    def ask(*, publish="make_current", waiting=(), run_type="backfill", began=BEGAN, cleared=0):
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
        return _mode_of(
            {"params": {"publish": publish}, "dag_run": run, "ti": counted, "run_id": "r",
             "data_interval_start": begins}
        )  # fmt: skip

    return ask


def test_the_last_date_switches_readers(mode_of):
    assert mode_of() == "make_current"


def test_an_earlier_date_waits_for_the_later_ones(mode_of):
    assert mode_of(waiting=["backfill__2026-03-04T02:00:00+00:00"]) == "stage_only"


def test_the_scheduled_night_is_no_part_of_the_backfill(mode_of):
    assert mode_of(waiting=["scheduled__2026-03-04T02:00:00+00:00"]) == "make_current"


def test_whoever_began_before_readers_went_to_a_later_day_does_not_take_them_back(
    mode_of, settings
):
    """Its task was tried again while the last date, beside it, published at noon."""
    publish_run(staged_run(settings, MARCH_3, "r3"))

    assert mode_of(began=NOON - timedelta(minutes=1)) == "stage_only"
    assert mode_of(began=NOON + timedelta(minutes=1)) == "make_current"


def test_readers_on_an_earlier_day_are_taken_forward(mode_of, settings):
    publish_run(staged_run(settings, MARCH_1, "r1"))

    assert mode_of() == "make_current"


def test_a_cleared_run_has_had_its_turn(mode_of):
    """As auto it publishes only when readers have nothing newer."""
    assert mode_of(cleared=1) == "auto"


@pytest.mark.parametrize("publish", ["auto", "stage_only"])
def test_any_other_mode_and_any_other_run_is_left_as_asked(mode_of, publish):
    assert mode_of(publish=publish) == publish
    assert mode_of(run_type="manual", cleared=1) == "make_current"


def test_a_run_without_a_date_is_told_what_to_do():
    from airflow.sdk.exceptions import AirflowFailException

    from dags.operators.tasks import night_of

    with pytest.raises(AirflowFailException, match="manual__1: a night needs a date"):
        night_of({"run_id": "manual__1", "data_interval_start": None})
