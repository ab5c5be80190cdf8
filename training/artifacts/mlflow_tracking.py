"""Logs each training to MLflow: parameters, losses by epoch, metrics and files.

By default a SQLite file and a folder under EVENSONG_STATE; MLFLOW_TRACKING_URI sends it elsewhere.
MLflow is a copy for people: a training that it does not take waits in a file of the state, and the
next training that it takes logs the waiting ones too.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import structlog
from filelock import FileLock, Timeout

from feature_store.lake.private_files import close_folder, make_private
from feature_store.lake.storage import FolderStorage, Storage
from feature_store.lake.stored_file import StoredFile
from feature_store.settings import Night, Settings
from training.artifacts.checkpoints import HISTORY, MODEL, PARAMETERS
from training.engine.model_selection import TrainingResult

if TYPE_CHECKING:
    from mlflow import MlflowClient

LOG = structlog.get_logger()

EXPERIMENT = "evensong"
UNSENT = "mlflow_unsent"
"""Folder of the state with the trainings that MLflow has not taken, one JSON file each."""
REFUSED_SUFFIX = ".refused"
"""Of files with trainings that MLflow will never take."""

# MLflow's own defaults keep a training waiting for minutes when its server is down.
_LIMITS = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
_VALUES_A_CALL = 100  # parameters or metrics; MLflow takes no more parameters at once
_MAX_SHIPPING_S = 60.0
"""A training logs waiting ones for so long; the rest waits for the next training."""


@dataclass(frozen=True, slots=True)
class TrackedTraining:
    """What MLflow is told of a training; holds no listener's id.

    Attributes:
        run_name: task, family and day.
        tags: by name; `model_version` and `run_id` find the run in MLflow.
        params: the recipe, flat.
        metrics: (name, value, step); the step of a loss is its epoch.
        checkpoint: folder in the lake whose files are copied.
    """

    run_name: str
    tags: dict[str, str]
    params: dict[str, str]
    metrics: tuple[tuple[str, float, int], ...]
    checkpoint: str

    @property
    def file_name(self) -> str:
        """Of the file in which it waits: one for each model of a run."""
        return f"{self.tags['model_version']}-{self.tags['run_id']}.json"


_DATABASE = "mlflow.db"
_ARTIFACTS = "mlflow_artifacts"


def track(
    night: Night, training: TrainingResult, storage: Storage, folder: str, version: str
) -> str | None:
    """Log a training; returns MLflow's run id, or None for one that waits until MLflow is back."""
    tracked = _described(night, training, folder, version)
    waiting = FolderStorage(night.settings.state / UNSENT)
    try:
        with _turn(waiting):
            run_id = _deliver(night.settings, tracked, storage, waiting)
    except Timeout:
        _keep(tracked, waiting, why="another training has been logging for too long")
        return None
    if run_id is not None:
        _deliver_waiting(night.settings, storage, waiting)
    return run_id


def _turn(waiting: FolderStorage) -> FileLock:
    """The lock of whoever logs: two tasks at once would both log what waits."""
    waiting.root.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(waiting.root.with_name(f"{UNSENT}.lock"), timeout=_MAX_SHIPPING_S)


def tracking_uri(settings: Settings) -> str:
    """Where MLflow keeps its runs."""
    return os.environ.get("MLFLOW_TRACKING_URI", _local_uri(settings.state.resolve()))


def _local_uri(state: Path) -> str:
    return f"sqlite:///{state / _DATABASE}"


def _described(
    night: Night, training: TrainingResult, folder: str, version: str
) -> TrackedTraining:
    recipe = training.recipe
    metrics = [
        (f"{one.split}.{name}", float(value), 0)
        for one in training.results
        if one.family == recipe.family
        for name, value in one.result.values.items()
    ]
    return TrackedTraining(
        run_name=f"{recipe.task}/{recipe.family} {night.as_of}",
        tags={
            "training_task": recipe.task,
            "family": recipe.family,
            "model_version": version,
            "run_id": night.run_id,
            "unsplit": training.unsplit,
        },
        params={name: str(value) for name, value in _flat(json.loads(recipe.as_json())).items()},
        metrics=(*metrics, *_epochs(training)),
        checkpoint=folder,
    )


def _epochs(training: TrainingResult) -> list[tuple[str, float, int]]:
    """Losses and validation metrics, with the epoch as the step."""
    found = []
    for purpose, fit in training.fits.items():
        for epoch in fit.epochs:
            found += [
                (f"{purpose}.{name}", float(value), epoch.number)
                for name, value in epoch.losses.items()
            ]
            if epoch.validation is not None:
                found.append((f"{purpose}.validation", float(epoch.validation), epoch.number))
    return found


def _deliver(
    settings: Settings, tracked: TrackedTraining, storage: Storage, waiting: FolderStorage
) -> str | None:
    """Log a training, or keep it in its file; returns MLflow's run id, None for one that is kept.

    A training that MLflow calls invalid is kept under a name that is not tried again.
    """
    with TemporaryDirectory() as files:
        _copy_checkpoint(storage, tracked.checkpoint, Path(files))
        try:
            run_id = _log(settings, tracked, files)
        except Exception as error:  # noqa: BLE001  a training must not fail for its copy
            status = _status(error)
            # Another process that makes the same experiment, or a deleted one, are 400 as well.
            is_invalid = getattr(error, "error_code", "") == "INVALID_PARAMETER_VALUE"
            refused = REFUSED_SUFFIX if is_invalid and status == HTTPStatus.BAD_REQUEST else ""
            _keep(tracked, waiting, refused, why=type(error).__name__, status=status)
            if refused:
                waiting.delete(tracked.file_name)
            return None
    waiting.delete(tracked.file_name)
    return run_id


def _keep(
    tracked: TrackedTraining,
    waiting: FolderStorage,
    suffix: str = "",
    *,
    why: str,
    status: int | None = None,
) -> None:
    """Store a training that MLflow has not taken."""
    name = tracked.file_name + suffix
    waiting.write(name, json.dumps(asdict(tracked)).encode())
    LOG.warning(
        "MLflow did not take a training, which is kept",
        training=tracked.run_name,
        version=tracked.tags["model_version"],
        error=why,
        status=status,
        file=waiting.uri(name),
    )


def _status(error: Exception) -> int | None:
    """HTTP status of one of MLflow's errors; None for another kind of error."""
    status = getattr(error, "get_http_status_code", None)
    return int(status()) if status is not None else None


def _deliver_waiting(settings: Settings, storage: Storage, waiting: FolderStorage) -> None:
    """Log the trainings that wait, oldest first, until MLflow is down again or the time is over.

    Other tasks take turns, so each training is looked for again when its turn has come.
    """
    ends_at_s = time.monotonic() + _MAX_SHIPPING_S
    files = [file for file in waiting.list(".") if file.path.endswith(".json")]
    for file in sorted(files, key=lambda one: (one.written_at_utc, one.path)):
        if time.monotonic() > ends_at_s:
            return
        try:
            with _turn(waiting):
                if waiting.exists(file.path) and not _is_taken(settings, storage, waiting, file):
                    return
        except Timeout:
            return  # another task logs, and the next training goes on


def _is_taken(
    settings: Settings, storage: Storage, waiting: FolderStorage, file: StoredFile
) -> bool:
    """Log one training that waits; false when MLflow is down. What cannot be read is left."""
    try:
        stored = json.loads(waiting.read(file.path))
        tracked = TrackedTraining(**stored | {"metrics": tuple(map(tuple, stored["metrics"]))})
        if _deliver(settings, tracked, storage, waiting) is None:
            return False
    except (OSError, ValueError, TypeError, LookupError) as error:  # it is no file of ours
        LOG.warning(
            "a training that waits for MLflow cannot be read",
            file=waiting.uri(file.path),
            error=type(error).__name__,
        )
        return True
    LOG.info("MLflow took a training that waited", training=tracked.run_name)
    return True


def _copy_checkpoint(storage: Storage, folder: str, local: Path) -> None:
    """Copy the checkpoint's files; none when an erasure has deleted the checkpoint meanwhile."""
    for name in (PARAMETERS, MODEL, HISTORY):
        if storage.exists(f"{folder}/{name}"):
            (local / name).write_bytes(storage.read(f"{folder}/{name}"))


def _log(settings: Settings, tracked: TrackedTraining, files: str) -> str:
    for name, value in _LIMITS.items():
        os.environ.setdefault(name, value)
    import mlflow  # imported here because it takes seconds
    from mlflow.entities import Metric, Param

    state = settings.state.resolve()
    close_folder(state / _ARTIFACTS)  # checkpoints hold ids of people
    if tracking_uri(settings) == _local_uri(state):
        make_private(state / _DATABASE)
    mlflow.set_tracking_uri(tracking_uri(settings))
    client = mlflow.MlflowClient()
    experiment_id = _experiment_id(client, state / _ARTIFACTS)
    _delete_unfinished(client, experiment_id, tracked)
    run_id = str(
        client.create_run(experiment_id, tags=tracked.tags, run_name=tracked.run_name).info.run_id
    )
    params = [Param(name, value) for name, value in tracked.params.items()]
    now_ms = client.get_run(run_id).info.start_time
    metrics = [Metric(name, value, now_ms, step) for name, value, step in tracked.metrics]
    for start in range(0, max(len(params), len(metrics)), _VALUES_A_CALL):
        chunk = slice(start, start + _VALUES_A_CALL)
        client.log_batch(run_id, metrics=metrics[chunk], params=params[chunk])
    client.log_artifacts(run_id, files)
    client.set_terminated(run_id)
    return run_id


def _experiment_id(client: MlflowClient, artifacts: Path) -> str:
    found = client.get_experiment_by_name(EXPERIMENT)
    if found is not None:
        return str(found.experiment_id)
    return client.create_experiment(EXPERIMENT, artifact_location=artifacts.as_uri())


def _delete_unfinished(client: MlflowClient, experiment_id: str, tracked: TrackedTraining) -> None:
    """Delete what an earlier try left half logged."""
    tags = [f"tags.{name} = '{tracked.tags[name]}'" for name in ("model_version", "run_id")]
    query = " and ".join([*tags, "attributes.status = 'RUNNING'"])
    for run in client.search_runs([experiment_id], filter_string=query):
        client.delete_run(run.info.run_id)


def _flat(nested: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"loop": {"patience": 5}} as {"loop.patience": 5}."""
    flat: dict[str, Any] = {}
    for name, value in nested.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat
