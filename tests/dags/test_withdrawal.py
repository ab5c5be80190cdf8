"""evensong_withdraw takes a landing file out of its day, as the command does."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from feature_store.lake.storage import open_storage
from feature_store.settings import Night
from jobs.landing.closing import close_landing
from jobs.landing.manifests import read_manifest
from tests.support import toy_dataset

REASON = "sent twice by the player team"


@pytest.fixture(scope="module")
def withdraw(session_settings):
    """Runs the DAG's one task with a form's values, as a user of Airflow."""
    from dags.command.nights.local_airflow import prepare

    prepare(session_settings)
    from dags.withdraw import withdraw_dag

    def run(path):
        context = {
            "params": {"path": path, "reason": REASON},
            "dag_run": SimpleNamespace(triggering_user_name="ann"),
        }
        return withdraw_dag.task_dict["landing"].python_callable(**context)

    return run


@pytest.fixture
def landed(settings, monkeypatch):
    """A lake whose landing day is closed, and a file of that day."""
    monkeypatch.setenv("EVENSONG_LAKE", settings.lake)
    monkeypatch.setenv("EVENSONG_STATE", str(settings.state))
    storage = open_storage(settings.lake)
    toy_dataset.land_toy_dataset(storage)
    close_landing(Night(toy_dataset.LAST_DAY, "r", settings), now=datetime(2026, 3, 2, tzinfo=UTC))
    [*_, file] = read_manifest(storage, toy_dataset.LAST_DAY).files
    return storage, file.path


def test_the_file_counts_no_more_and_the_manifest_says_who_and_why(withdraw, landed):
    storage, path = landed

    said = withdraw(path)

    manifest = read_manifest(storage, toy_dataset.LAST_DAY)
    assert manifest.withdrawn[path].startswith(f"{REASON} (airflow:ann, ")
    assert path not in [file.path for file in manifest.kept_files]
    assert said.startswith(f"{toy_dataset.LAST_DAY}: withdrawn; ")


@pytest.mark.parametrize("again", [True, False])
def test_what_cannot_be_withdrawn_fails_without_a_retry(withdraw, landed, again):
    from airflow.sdk.exceptions import AirflowFailException

    _, path = landed
    if again:
        withdraw(path)
    else:
        path = "landing/listens/2026-03-01/nowhere.parquet"

    expected = (
        "is withdrawn already: sent twice" if again else "no closed day lists 'landing/listens"
    )
    with pytest.raises(AirflowFailException, match=expected):
        withdraw(path)


@pytest.mark.parametrize("path", ["", "listens/a.parquet", "/landing/a", "landing/"])
def test_the_form_refuses_what_is_no_landing_file(withdraw, path):
    from airflow.sdk.exceptions import ParamValidationError

    from dags.withdraw import withdraw_dag

    with pytest.raises((ParamValidationError, ValueError), match="does not match"):
        withdraw_dag.params.get_param("path").resolve(path)


def test_runners_may_withdraw_and_it_waits_for_a_night_that_closes_days(withdraw):
    from dags.withdraw import withdraw_dag

    assert set(withdraw_dag.access_control) == {"Runner"}
    assert withdraw_dag.task_dict["landing"].pool == "landing"
