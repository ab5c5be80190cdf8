"""MLflow has a copy of each training; while it is down, trainings succeed and their copies wait."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from feature_store.lake.arrow_io import read_table
from feature_store.lake.storage import FolderStorage
from feature_store.lake.stored_file import StorageError
from feature_store.tables.runs import RUN_MODELS
from tests.training import lake as sample
from training import train
from training.artifacts import checkpoints, mlflow_tracking
from training.config import load_recipe
from training.engine.loop import Epoch, FitHistory
from training.engine.model_selection import TrainingResult

mlflow = pytest.importorskip("mlflow")

EPOCHS = (Epoch(1, {"loss": 0.5}, 0.25), Epoch(2, {"loss": 0.1}, None))
NOBODY_LISTENS = "http://127.0.0.1:1"


@pytest.fixture(autouse=True)
def local_mlflow(monkeypatch):
    """MLflow keeps its runs in the state, and leaves no limits behind in this process."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for name in mlflow_tracking._LIMITS:
        monkeypatch.setenv(name, mlflow_tracking._LIMITS[name])


@pytest.fixture
def track(night):
    """Tracks a training by hand whose checkpoint holds the bytes `version`."""
    storage = FolderStorage(night.settings.state / "lake")

    def run(version, night=night):
        for name in (checkpoints.PARAMETERS, checkpoints.MODEL, checkpoints.HISTORY):
            storage.write(f"models/{version}/{name}", version.encode())
        training = TrainingResult(
            recipe=load_recipe("ranking", "ease"),
            state=None,
            before_cut=None,
            fits={"final": FitHistory(EPOCHS, best_epoch=1)},
            results=(),
            challenger_tests=(),
            unsplit="",
        )
        return mlflow_tracking.track(night, training, storage, f"models/{version}", version)

    return run


@pytest.fixture
def answering_mlflow():
    """A server that answers every call with an HTTP status; yields its address by the status."""
    servers = []

    def start(status):
        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                described = {"error_code": "INVALID_PARAMETER_VALUE"} if status == 400 else {}
                body = json.dumps(described | {"message": "no"})
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body.encode())

            do_GET = do_POST = answer  # noqa: N815  the names are http.server's

            def log_message(self, *_):
                """Say nothing on the test's output."""

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def kept(night):
    folder = night.settings.state / mlflow_tracking.UNSENT
    return sorted(file.name for file in folder.iterdir()) if folder.is_dir() else []


def versions_in_mlflow():
    client = mlflow.MlflowClient()
    [experiment] = [each for each in client.search_experiments() if each.name == "evensong"]
    runs = client.search_runs([experiment.experiment_id])
    return {run.data.tags["model_version"]: run for run in runs}


def test_mlflow_holds_parameters_curves_metrics_and_files(night):
    """The row names a run; it has the recipe, a loss per epoch, test metrics and the checkpoint."""
    sample.fill(night.settings.lake, night.as_of)

    row = train.train(night, "ranking")

    client = mlflow.MlflowClient()
    run = client.get_run(row.mlflow_run_id)
    epochs = client.get_metric_history(row.mlflow_run_id, "final.ranking.collaborative")
    assert run.info.status == "FINISHED"
    assert run.data.params["model.dim"] == "64"
    assert run.data.tags["training_task"] == "ranking"
    assert "test.recall_at_10" in run.data.metrics
    assert [point.step for point in epochs] == list(range(1, len(epochs) + 1))
    assert {file.path for file in client.list_artifacts(row.mlflow_run_id)} == {
        "parameters.safetensors", "model.json", "history.json",
    }  # fmt: skip


def test_a_model_is_registered_while_mlflow_is_down(night, monkeypatch):
    """Its row names no run of MLflow, and its copy waits in the state."""
    sample.fill(night.settings.lake, night.as_of)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", NOBODY_LISTENS)

    row = train.train(sample.competing(night, "ease"), "ranking")

    [stored] = read_table(night.settings.lake, RUN_MODELS).to_pylist()
    assert (stored["model_version"], stored["mlflow_run_id"]) == (row.model_version, None)
    assert stored["promoted_as_of_date"] == night.as_of
    assert kept(night) == [f"{row.model_version}-test-run.json"]


def test_trainings_that_wait_are_logged_with_the_next_one(night, track, monkeypatch):
    """With their metrics and files, as if MLflow had been there; none of them twice."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", NOBODY_LISTENS)
    assert [track("v1"), track("v2"), track("v2")] == [None, None, None]
    assert kept(night) == ["v1-test-run.json", "v2-test-run.json"]
    monkeypatch.delenv("MLFLOW_TRACKING_URI")

    run_id = track("v3")

    found = versions_in_mlflow()
    assert (sorted(found), found["v3"].info.run_id) == (["v1", "v2", "v3"], run_id)
    assert found["v1"].data.metrics == {"final.loss": 0.1, "final.validation": 0.25}
    client = mlflow.MlflowClient()
    copy = client.download_artifacts(
        found["v1"].info.run_id, "model.json", str(night.settings.state)
    )
    assert Path(copy).read_text() == "v1"
    assert kept(night) == []


@pytest.mark.parametrize(("status", "suffix"), [(503, ""), (404, ""), (400, ".refused")])
def test_an_error_of_the_server_keeps_the_training(night, track, answering_mlflow, monkeypatch, status, suffix):  # fmt: skip
    """What MLflow calls invalid would be so the next time too, and is not tried again."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", answering_mlflow(status))
    assert track("v1") is None
    assert kept(night) == [f"v1-test-run.json{suffix}"]
    monkeypatch.delenv("MLFLOW_TRACKING_URI")

    track("v2")

    assert ("v1" in versions_in_mlflow()) == (suffix == "")
    assert kept(night) == ([f"v1-test-run.json{suffix}"] if suffix else [])


def test_two_tasks_at_once_log_each_waiting_training_once(night, track, monkeypatch):
    """Both find both files; each looks again when its turn has come."""
    with monkeypatch.context() as down:
        down.setenv("MLFLOW_TRACKING_URI", NOBODY_LISTENS)
        track("v1")
        track("v2")
    log = mlflow_tracking._log
    monkeypatch.setattr(mlflow_tracking, "_log", lambda *args: (time.sleep(0.5), log(*args))[1])

    with ThreadPoolExecutor(2) as tasks:
        run_ids = list(tasks.map(track, ["v3", "v4"]))

    assert None not in run_ids
    client = mlflow.MlflowClient()
    [experiment] = [each for each in client.search_experiments() if each.name == "evensong"]
    runs = client.search_runs([experiment.experiment_id])
    versions = sorted(run.data.tags["model_version"] for run in runs)
    assert versions == ["v1", "v2", "v3", "v4"]
    assert kept(night) == []


def test_a_training_whose_turn_does_not_come_is_kept(night, track, monkeypatch):
    monkeypatch.setattr(mlflow_tracking, "_MAX_SHIPPING_S", 0.1)
    waiting = FolderStorage(night.settings.state / mlflow_tracking.UNSENT)

    with mlflow_tracking._turn(waiting):
        assert track("v1") is None

    assert kept(night) == ["v1-test-run.json"]


def test_what_a_try_left_half_logged_is_replaced(night, track, monkeypatch):
    """MLflow dies while the files are copied: the second try leaves one finished run."""
    with monkeypatch.context() as dying:
        dying.setattr(mlflow.MlflowClient, "log_artifacts", _raise_connection_error)
        assert track("v1") is None

    track("v2")

    assert {version: run.info.status for version, run in versions_in_mlflow().items()} == {
        "v1": "FINISHED", "v2": "FINISHED",
    }  # fmt: skip


def test_an_error_of_the_lake_is_not_taken_for_one_of_mlflow(night, track, monkeypatch):
    """The lake is not optional: its error fails the training."""
    monkeypatch.setattr(FolderStorage, "read", _raise_storage_error)

    with pytest.raises(StorageError, match="503"):
        track("v1")

    assert kept(night) == []


def test_runs_of_one_model_wait_apart(night, track, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", NOBODY_LISTENS)
    track("v1")
    track("v1", night=replace(night, run_id="again"))

    assert kept(night) == ["v1-again.json", "v1-test-run.json"]


def _raise_connection_error(*_):
    raise ConnectionError("gone")


def _raise_storage_error(*_):
    raise StorageError("storage: 503")
