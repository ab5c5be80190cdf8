"""TrainingJob: the setting chooses the launcher, and a failed process gives its message."""

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
def torchrun_night(night, monkeypatch) -> Night:
    """A night with the launcher torchrun, whose processes load the settings from variables."""
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
def test_the_setting_chooses_the_launcher(launcher, job, night, monkeypatch):
    """Both launchers get the night and retrain but no family: the training finds the champion."""
    from dags.operators import training_job

    monkeypatch.setenv("EVENSONG_LAKE", night.settings.lake)
    monkeypatch.setenv("EVENSONG_TRAINING__LAUNCHER", launcher)
    launched = []
    monkeypatch.setattr(
        training_job.pkgutil,
        "resolve_name",
        lambda _: lambda night, **how: launched.append(("in_process", night.as_of, how)),
    )
    monkeypatch.setattr(
        job,
        "_run_torchrun",
        lambda night, retrain: launched.append(("torchrun", night.as_of, {"retrain": retrain})),
    )

    type(job).execute.__wrapped__(job, context("always"))

    assert launched == [(launcher, night.as_of, {"retrain": "always"})]
    assert "--family" not in training_job._command(night, "always")


def test_a_failed_process_fails_the_task_with_its_message(job, torchrun_night):
    """Two real processes look for a model in an empty lake; the message is that of the first one."""
    from dags.operators.training_job import TrainingFailed

    with pytest.raises(
        TrainingFailed, match=r"NoModelError: run_models: no popularity .*2026-03-01"
    ):
        job._run_torchrun(torchrun_night, "never")


def test_a_killed_process_fails_the_task_with_its_status(job, torchrun_night, monkeypatch):
    from dags.operators import training_job

    killed = [sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"]
    monkeypatch.setattr(training_job, "_command", lambda *_: killed)

    with pytest.raises(training_job.TrainingFailed, match=r"status -9.*2 processes"):
        job._run_torchrun(torchrun_night, "auto")
