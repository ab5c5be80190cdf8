"""Logs each training to MLflow: parameters, losses by epoch, metrics and files.

By default a SQLite file and a folder under EVENSONG_STATE; MLFLOW_TRACKING_URI sends it elsewhere.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

from feature_store.lake.storage import Storage
from feature_store.settings import Night, Settings
from training.artifacts.checkpoints import HISTORY, MODEL, PARAMETERS
from training.engine.model_selection import TrainingResult

EXPERIMENT = "evensong"


def track(
    night: Night, training: TrainingResult, storage: Storage, folder: str, version: str
) -> str:
    """Log a training; returns MLflow's run id."""
    import mlflow  # imported here because it takes seconds

    recipe, state = training.recipe, night.settings.state.resolve()
    state.mkdir(parents=True, exist_ok=True)
    mlflow.set_tracking_uri(tracking_uri(night.settings))
    if mlflow.get_experiment_by_name(EXPERIMENT) is None:
        mlflow.create_experiment(
            EXPERIMENT, artifact_location=(state / "mlflow_artifacts").as_uri()
        )
    mlflow.set_experiment(EXPERIMENT)
    with mlflow.start_run(run_name=f"{recipe.task}/{recipe.family} {night.as_of}") as run:
        mlflow.set_tags(
            {
                "training_task": recipe.task,
                "family": recipe.family,
                "model_version": version,
                "run_id": night.run_id,
                "unsplit": training.unsplit,
            }
        )
        mlflow.log_params(_flat(json.loads(recipe.as_json())))
        for one in training.results:
            if one.family != recipe.family:
                continue
            mlflow.log_metrics(
                {f"{one.split}.{name}": value for name, value in one.result.values.items()}
            )
        _log_epochs(mlflow, training)
        _log_files(mlflow, storage, folder)
        return str(run.info.run_id)


def tracking_uri(settings: Settings) -> str:
    """Where MLflow keeps its runs."""
    database = settings.state.resolve() / "mlflow.db"
    return os.environ.get("MLFLOW_TRACKING_URI", f"sqlite:///{database}")


def _log_epochs(mlflow: ModuleType, training: TrainingResult) -> None:
    """Losses and validation metrics, with the epoch as the step."""
    for purpose, fit in training.fits.items():
        for epoch in fit.epochs:
            metrics = {f"{purpose}.{name}": value for name, value in epoch.losses.items()}
            if epoch.validation is not None:
                metrics[f"{purpose}.validation"] = epoch.validation
            mlflow.log_metrics(metrics, step=epoch.number)


def _log_files(mlflow: ModuleType, storage: Storage, folder: str) -> None:
    """The checkpoint's files."""
    with TemporaryDirectory() as local:
        for name in (PARAMETERS, MODEL, HISTORY):
            Path(local, name).write_bytes(storage.read(f"{folder}/{name}"))
        mlflow.log_artifacts(local)


def _flat(nested: dict[str, object], prefix: str = "") -> dict[str, object]:
    """{"loop": {"patience": 5}} as {"loop.patience": 5}."""
    flat: dict[str, object] = {}
    for name, value in nested.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat
