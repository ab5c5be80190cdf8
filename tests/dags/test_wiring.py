"""Pools, roles, alerts, assets and parameters of the DAGs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dags.policy.roles import ACTING_ROLES, USERS


@pytest.fixture(scope="module")
def dags(session_settings):
    from dags.command.nights.local_airflow import prepare

    prepare(session_settings)
    from dags.policy.pools import our_dags

    return {dag.dag_id: dag for dag in our_dags()}


def test_tasks_that_write_one_table_share_a_pool_and_others_do_not(dags):
    """One slot for each table, so that a night and a backfill write it one after the other."""
    nightly = dags["evensong_nightly"]

    for task in nightly.tasks:
        expected = "default_pool" if task.task_id in {"report", "announced"} else task.task_id
        assert task.pool == expected, task.task_id
    assert dags["evensong_rollback"].task_dict["published_runs"].pool == "published_runs"


def test_every_pool_of_a_task_is_created_with_one_slot(dags):
    from airflow.models.pool import Pool

    from dags.policy.pools import create_pools, pool_names

    create_pools()

    slots = {name: Pool.get_pool(name).slots for name in pool_names(dags.values())}
    assert slots["rec_topk"] == 1
    assert set(slots.values()) == {1}


def test_every_role_that_may_act_on_a_dag_has_a_user(dags):
    roles_of_users = {role for roles in USERS.values() for role in roles}

    for dag in dags.values():
        assert set(dag.access_control) <= set(ACTING_ROLES) & roles_of_users, dag.dag_id


def test_manual_dags_are_for_publishers_and_nights_are_for_runners(dags):
    assert set(dags["evensong_rollback"].access_control) == {"Publisher"}
    assert set(dags["evensong_publish"].access_control) == {"Publisher"}
    assert set(dags["evensong_nightly"].access_control) == {"Runner"}


def test_a_night_is_late_at_six_in_the_morning_after_its_day(dags):
    """The logical date is 02:00 of as_of: 28 hours later it is 06:00 of the next day."""
    [alert] = dags["evensong_nightly"].deadline

    assert alert.interval == timedelta(hours=28)
    assert alert.callback.path == "dags.policy.alerts.deadline_passed"


def test_every_task_sends_an_alert_after_its_last_try(dags):
    for dag in dags.values():
        for task in dag.tasks:
            callbacks = [callback.__name__ for callback in task.on_failure_callback]
            assert callbacks == ["task_failed"], f"{dag.dag_id}.{task.task_id}"


def test_the_assets_are_exactly_the_published_tables(dags):
    from feature_store.tables import PUBLISHED_TABLES

    published = sorted(table.name for table in PUBLISHED_TABLES)

    for dag_id, task_id in (
        ("evensong_nightly", "announced"),
        ("evensong_rollback", "published_runs"),
        ("evensong_publish", "published_runs"),
        ("evensong_erase", "announced"),
    ):
        outlets = dags[dag_id].task_dict[task_id].outlets
        assert sorted(asset.name for asset in outlets) == published


@pytest.mark.parametrize("run_id", ["", "yesterday", "2026-03-01", "2026-03-01-XYZ"])
@pytest.mark.parametrize("dag_id", ["evensong_rollback", "evensong_publish"])
def test_a_manual_dag_refuses_a_malformed_run_id(dag_id, run_id, dags):
    from airflow.sdk.exceptions import ParamValidationError

    with pytest.raises((ParamValidationError, ValueError), match="does not match"):
        dags[dag_id].params.get_param("run_id").resolve(run_id)


@pytest.mark.parametrize(("event_number", "is_announced"), [(3, True), (None, False)])
def test_an_erasure_tells_the_assets_readers_that_an_erasure_made_the_event(
    dags, event_number, is_announced
):
    """Teams with copies erase there too; before the first publication there is nobody to tell."""
    from airflow.sdk.exceptions import AirflowSkipException
    from airflow.sdk.execution_time.context import OutletEventAccessors

    announcing = dags["evensong_erase"].task_dict["announced"]
    assert announcing.upstream_task_ids == {"erase_rows"}
    context = {"outlet_events": OutletEventAccessors(), "params": {"request_id": "ab" * 8}}
    if not is_announced:
        with pytest.raises(AirflowSkipException, match="nothing is published"):
            announcing.python_callable(event_number, **context)
        return

    announcing.python_callable(event_number, **context)

    told = [context["outlet_events"][asset].extra for asset in announcing.outlets]
    assert told == [{"action": "erase", "event_number": 3, "request_id": "ab" * 8}] * 4


@pytest.mark.parametrize(("chosen", "expected"), [("ab" * 8, ["ab" * 8]), ("", None)])
def test_an_erasure_takes_the_request_that_is_named_or_all_that_are_pending(
    dags, chosen, expected, settings, monkeypatch
):
    """Every later task of the run erases these requests together."""
    from feature_store.privacy.requests import record_request

    monkeypatch.setenv("EVENSONG_LAKE", settings.lake)
    monkeypatch.setenv("EVENSONG_STATE", str(settings.state))
    now = datetime(2026, 3, 4, 12, tzinfo=UTC)
    made = [
        record_request(settings, user, actor="t", now=now).request_id for user in ("ada", "ben")
    ]
    erasing = dags["evensong_erase"]

    found = erasing.task_dict["requests"].python_callable(params={"request_id": chosen})

    assert sorted(found) == sorted(expected or made)
    steps = ("erase_rows", "erase_models", "erase_logs", "finish_erasure")
    assert all("requests" in erasing.task_dict[step].upstream_task_ids for step in steps)


def test_an_erasure_without_a_pending_request_is_skipped(dags, settings, monkeypatch):
    from airflow.sdk.exceptions import AirflowSkipException

    monkeypatch.setenv("EVENSONG_LAKE", settings.lake)
    with pytest.raises(AirflowSkipException, match="no request is pending"):
        dags["evensong_erase"].task_dict["requests"].python_callable(params={"request_id": ""})
