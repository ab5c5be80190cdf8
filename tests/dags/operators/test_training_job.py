"""How a training task runs is a setting, and a failed process says why it failed."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import pytest

from feature_store.settings import Night, load_settings

TORCHRUN = {"launcher": "torchrun", "n_processes": 2}


@pytest.fixture
def job(session_settings):
    from dags.command.local_airflow import prepare

    prepare(session_settings)
    from dags.operators.training_job import TrainingJob

    return TrainingJob(task_id="mm_gnn")


@pytest.fixture
def shared(night, monkeypatch) -> Night:
    """A night whose training torchrun starts; its processes find the settings in variables."""
    monkeypatch.setenv("EVENSONG_LAKE", night.settings.lake)
    monkeypatch.setenv("EVENSONG_STATE", str(night.settings.state))
    monkeypatch.setenv("EVENSONG_TRAINING__FAMILY", "popularity")
    return Night(
        night.as_of, night.run_id, load_settings(training=TORCHRUN | {"family": "popularity"})
    )


def context(retrain: str) -> dict[str, object]:
    begins = datetime(2026, 3, 1, 2, tzinfo=UTC)
    return {"params": {"retrain": retrain}, "data_interval_start": begins, "run_id": "r"}


@pytest.mark.parametrize("launcher", ["in_process", "torchrun"])
def test_the_setting_says_where_a_training_runs(launcher, job, night, monkeypatch):
    """Either way it is told the night and whether to train anew, and no family: the champion is found there."""
    from dags.operators import training_job

    monkeypatch.setenv("EVENSONG_LAKE", night.settings.lake)
    monkeypatch.setenv("EVENSONG_TRAINING__LAUNCHER", launcher)
    told = []
    monkeypatch.setattr(
        training_job.pkgutil,
        "resolve_name",
        lambda _: lambda night, **how: told.append(("in_process", night.as_of, how)),
    )
    monkeypatch.setattr(
        job,
        "_launch",
        lambda night, retrain: told.append(("torchrun", night.as_of, {"retrain": retrain})),
    )

    type(job).execute.__wrapped__(job, context("always"))

    assert told == [(launcher, night.as_of, {"retrain": "always"})]
    assert "--family" not in training_job._command(night, "always")


def test_a_failed_process_reddens_the_task_with_its_message(job, shared):
    """Two real processes look for a model in an empty lake; the first says what to run."""
    from dags.operators.training_job import TrainingFailed

    with pytest.raises(
        TrainingFailed, match=r"NoModelError: run_models: no popularity .*2026-03-01"
    ):
        job._launch(shared, "never")


def test_a_killed_process_reddens_the_task_too(job, shared, monkeypatch):
    from dags.operators import training_job

    killed = [sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"]
    monkeypatch.setattr(training_job, "_command", lambda *_: killed)

    with pytest.raises(training_job.TrainingFailed, match=r"status -9.*2 processes"):
        job._launch(shared, "auto")
