"""Erases a person from models: removes the embedding row and the id from every copy.

Checkpoints of the lake are rewritten, run_models gets their new hashes, and MLflow's copies are
replaced. A checkpoint that cannot be opened is deleted: the next night trains a new model.
Resume files of killed fits are deleted: they hold the person's rows.
"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import structlog
from safetensors import SafetensorError

from feature_store.lake.arrow_io import read_table, replace_rows
from feature_store.lake.delta_tables import exists
from feature_store.lake.lease import writer_lease
from feature_store.lake.storage import FolderStorage, open_storage
from feature_store.privacy.requests import add_removed_counts, load_request
from feature_store.settings import Settings
from feature_store.tables.runs import RUN_MODELS
from training.artifacts import checkpoints
from training.artifacts.mlflow_tracking import EXPERIMENT, tracking_uri
from training.engine import resume

if TYPE_CHECKING:
    from collections.abc import Iterator

    from feature_store.lake.storage import Storage

LOG = structlog.get_logger()

_PERSON = "user"


def erase_models(settings: Settings, request_id: str) -> int:
    """Rewrite every checkpoint that has a row for the person; returns how many there were.

    Raises:
        UnknownRequest: there is no unfinished request of that id.
    """
    request = load_request(settings, request_id)
    storage = open_storage(settings.lake)
    with writer_lease(settings.lake, RUN_MODELS.name):
        cleaned = {
            folder.removesuffix(f"/{checkpoints.BEFORE_CUT}")
            for folder in _folders(storage)
            if _drop(storage, folder, request.user_id)
        }
        _correct_hashes(settings.lake, storage)
    copies = _replace_copies(settings, request.user_id)
    found = {
        "models": len(cleaned),
        "mlflow": copies,
        "fits": resume.delete_all(settings.state),
    }
    add_removed_counts(settings, request_id, found)
    LOG.info("erased from models", request_id=request_id, **found)
    return len(cleaned)


def _folders(storage: Storage) -> Iterator[str]:
    """Folders of checkpoints, also of those that a killed run left without a row."""
    for file in list(storage.list("models")):
        folder, _, name = file.path.rpartition("/")
        if name == checkpoints.MODEL and storage.exists(file.path):  # not deleted with its parent
            yield folder


def _drop(storage: Storage, folder: str, user_id: str) -> bool:
    """Whether the checkpoint had the person; deletes files that cannot be opened."""
    try:
        return checkpoints.drop_id(storage, folder, _PERSON, user_id) is not None
    except (KeyError, ValueError, SafetensorError):
        LOG.warning("deleted a checkpoint that cannot be opened", folder=folder)
        for file in list(storage.list(folder)):
            storage.delete(file.path)
        return True


def _correct_hashes(lake: str, storage: Storage) -> None:
    """Bring run_models in line with the files; rows whose checkpoint is gone go too."""
    if not exists(lake, RUN_MODELS):
        return
    rows = read_table(lake, RUN_MODELS).to_pylist()
    kept = [_with_hashes(storage, row) for row in rows if _is_whole(storage, row)]
    if kept != rows:
        rows_kept = pa.Table.from_pylist(kept, schema=RUN_MODELS.arrow_schema)
        replace_rows(lake, RUN_MODELS, rows_kept, commit_note="erasure")


def _is_whole(storage: Storage, row: dict[str, Any]) -> bool:
    """Whether all checkpoints of the row are there; a row of a task without data has none."""
    return all(storage.exists(f"{folder}/{checkpoints.MODEL}") for folder in _hashes_of(row))


def _with_hashes(storage: Storage, row: dict[str, Any]) -> dict[str, Any]:
    """The row with the hashes of its checkpoints as they are now."""
    return row | {
        column: checkpoints.hash_after_erasure(storage, folder, row[column])
        for folder, column in _hashes_of(row).items()
    }


def _hashes_of(row: dict[str, Any]) -> dict[str, str]:
    """Columns that hold hashes of checkpoints, by the checkpoint's folder."""
    folder = row["checkpoint_uri"]
    columns = {folder: "checkpoint_sha256"} if folder else {}
    if row["before_cut_sha256"]:
        columns[f"{folder}/{checkpoints.BEFORE_CUT}"] = "before_cut_sha256"
    return columns


def _replace_copies(settings: Settings, user_id: str) -> int:
    """Rewrite the artefacts of MLflow's runs; returns how many held the person."""
    if (
        tracking_uri(settings).startswith("sqlite:///")
        and not Path(tracking_uri(settings).removeprefix("sqlite:///")).exists()
    ):
        return 0
    from mlflow import MlflowClient
    from mlflow.entities import ViewType

    client = MlflowClient(tracking_uri(settings))
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        return 0
    found = 0
    token = None
    while True:
        page = client.search_runs(
            [experiment.experiment_id], run_view_type=ViewType.ALL, page_token=token
        )
        found += sum(_replace_copy(client, run.info.run_id, user_id) for run in page)
        token = page.token
        if not token:
            return found


def _replace_copy(client: Any, run_id: str, user_id: str) -> bool:
    if checkpoints.MODEL not in {file.path for file in client.list_artifacts(run_id)}:
        return False
    with TemporaryDirectory() as folder:
        client.download_artifacts(run_id, "", folder)
        described = json.loads(Path(folder, checkpoints.MODEL).read_bytes())
        if user_id not in described["ids"].get(_PERSON, []):
            return False
        checkpoints.drop_id(FolderStorage(Path(folder)), ".", _PERSON, user_id)
        client.log_artifacts(run_id, folder)
    return True
