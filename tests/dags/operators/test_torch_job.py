"""TorchJob: the settings choose the launcher and what is on, and a failed process gives its message."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import pytest

from feature_store.settings import Night, load_settings

TORCHRUN = {"launcher": "torchrun", "n_processes": 2}
ON_POPULARITY = {"families": {"ranking": "popularity"}}


def made(session_settings, **changes):
    from dags.command.nights.local_airflow import prepare

    prepare(session_settings)
    from dags.operators.torch_job import TorchJob

    settings = {
        "task_id": "ranking",
        "training_task": "ranking",
        "function": "training.train:train",
        "params_read": ("retrain",),
    }
    return TorchJob(**settings | changes)


@pytest.fixture
def job(session_settings):
    return made(session_settings)


@pytest.fixture
def torchrun_night(night, monkeypatch) -> Night:
    """A night with the launcher torchrun, whose processes load the settings from variables."""
    monkeypatch.setenv("EVENSONG_LAKE", night.settings.lake)
    monkeypatch.setenv("EVENSONG_STATE", str(night.settings.state))
    monkeypatch.setenv("EVENSONG_TRAINING__FAMILIES", '{"ranking": "popularity"}')
    return Night(night.as_of, night.run_id, load_settings(training=TORCHRUN | ON_POPULARITY))


def context(retrain: str) -> dict[str, object]:
    begins = datetime(2026, 3, 1, 2, tzinfo=UTC)
    return {"params": {"retrain": retrain}, "data_interval_start": begins, "run_id": "r"}


def launched_by(job, night, monkeypatch, **variables) -> list[tuple[object, ...]]:
    """What the job runs: the function in process, or torchrun, with the options from the run's parameters."""
    from dags.operators import torch_job

    monkeypatch.setenv("EVENSONG_LAKE", night.settings.lake)
    for name, value in variables.items():
        monkeypatch.setenv(f"EVENSONG_TRAINING__{name}", value)
    launched: list[tuple[object, ...]] = []
    monkeypatch.setattr(
        torch_job.pkgutil,
        "resolve_name",
        lambda name: lambda night, task, **how: launched.append((name, night.as_of, task, how)),
    )
    monkeypatch.setattr(
        job,
        "_run_torchrun",
        lambda night, options: launched.append(("torchrun", night.as_of, "ranking", options)),
    )
    type(job).execute.__wrapped__(job, context("always"))
    return launched


@pytest.mark.parametrize(
    ("launcher", "expected"),
    [("in_process", "training.train:train"), ("torchrun", "torchrun")],
)
def test_the_setting_chooses_the_launcher(launcher, expected, job, night, monkeypatch):
    """Both get the night, the training task and retrain, but no family: the training finds the champion."""
    launched = launched_by(job, night, monkeypatch, LAUNCHER=launcher)

    assert launched == [(expected, night.as_of, "ranking", {"retrain": "always"})]
    command = job._command(night, {"retrain": "always"})
    assert command[command.index("training.train") + 1] == "ranking"
    assert command[-3:] == ["--retrain", "always", "--debug"]
    assert "--family" not in command


def test_a_training_task_that_is_off_trains_nothing(job, night, monkeypatch):
    assert launched_by(job, night, monkeypatch, TASKS="[]") == []


def test_a_prediction_of_a_task_that_is_off_empties_its_slices(
    session_settings, night, monkeypatch
):
    """Downstream reads an empty slice, and not what an earlier try of the night had written."""
    predicting = {"function": "training.predict:predict", "params_read": ()}
    job = made(session_settings, when_off="training.predict:predict_nothing", **predicting)

    launched = launched_by(job, night, monkeypatch, TASKS='["another"]')

    assert launched == [("training.predict:predict_nothing", night.as_of, "ranking", {})]


def test_a_failed_process_fails_the_task_with_its_message(job, torchrun_night):
    """Two real processes look for a model in an empty lake; the message is that of the first one."""
    from dags.operators.torch_job import TrainingFailed

    with pytest.raises(
        TrainingFailed, match=r"NoModelError: run_models: no popularity .*2026-03-01"
    ):
        job._run_torchrun(torchrun_night, {"retrain": "never"})


def test_a_killed_process_fails_the_task_with_its_status(job, torchrun_night, monkeypatch):
    from dags.operators import torch_job

    killed = [sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"]
    monkeypatch.setattr(job, "_command", lambda *_: killed)

    with pytest.raises(torch_job.TrainingFailed, match=r"status -9.*2 processes"):
        job._run_torchrun(torchrun_night, {"retrain": "auto"})
