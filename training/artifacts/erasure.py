"""Erases people from models: removes their embedding rows and ids from every copy.

Checkpoints of the lake are rewritten, run_models gets their new hashes, and MLflow's copies are
replaced. A checkpoint that cannot be opened is deleted: the next night trains a new model.
Resume files of killed fits are deleted: they hold the person's rows.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import structlog
from safetensors import SafetensorError

from feature_store.lake.arrow_io import read_table, replace_rows
from feature_store.lake.delta_tables import exists, open_table
from feature_store.lake.lease import writer_lease
from feature_store.lake.storage import FolderStorage, open_storage
from feature_store.privacy.batch import load_batch
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


def erase_models(settings: Settings, *request_ids: str) -> int:
    """Rewrite every checkpoint that has rows for the people; returns how many there were.

    Raises:
        UnknownRequest: a request is not there or finished.
    """
    batch = load_batch(settings, request_ids)
    dropped = {request.user_id for request in batch.requests}
    storage = open_storage(settings.lake)
    cleaned: dict[str, set[str]] = {}
    with writer_lease(settings.lake, RUN_MODELS.name):
        for folder in _folders(storage):
            if gone := _drop(storage, folder, dropped):
                model = folder.removesuffix(f"/{checkpoints.BEFORE_CUT}")
                cleaned.setdefault(model, set()).update(gone)
        _correct_hashes(settings.lake, storage)
    copies = _replace_copies(settings, dropped)
    fits = resume.delete_all(settings.state)
    batch.add("models", Counter(each for gone in cleaned.values() for each in gone))
    batch.add("mlflow", copies)
    batch.add_to_all({"fits": fits})
    LOG.info("erased from models", request_ids=batch.request_ids, models=len(cleaned), fits=fits)
    return len(cleaned)


def _folders(storage: Storage) -> Iterator[str]:
    """Folders of checkpoints, also of those that a killed run left without a row."""
    for file in list(storage.list("models")):
        folder, _, name = file.path.rpartition("/")
        if name == checkpoints.MODEL and storage.exists(file.path):  # not deleted with its parent
            yield folder


def _drop(storage: Storage, folder: str, dropped: set[str]) -> set[str]:
    """The people whom the checkpoint had; deletes files that cannot be opened, of everybody."""
    try:
        return checkpoints.drop_ids(storage, folder, _PERSON, dropped)
    except (KeyError, ValueError, SafetensorError):
        LOG.warning("deleted a checkpoint that cannot be opened", folder=folder)
        for file in list(storage.list(folder)):
            storage.delete(file.path)
        return dropped


def _correct_hashes(lake: str, storage: Storage) -> None:
    """Bring run_models in line with the files; rows whose checkpoint is gone go too."""
    if not exists(lake, RUN_MODELS):
        return
    version = open_table(lake, RUN_MODELS).version()
    rows = read_table(lake, RUN_MODELS, version=version).to_pylist()
    kept = [_with_hashes(storage, row) for row in rows if _is_whole(storage, row)]
    if kept != rows:
        rows_kept = pa.Table.from_pylist(kept, schema=RUN_MODELS.arrow_schema)
        replace_rows(lake, RUN_MODELS, rows_kept, read_version=version, commit_note="erasure")


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


def _replace_copies(settings: Settings, dropped: set[str]) -> Counter[str]:
    """Rewrite the artefacts of MLflow's runs; returns how many held each person."""
    found: Counter[str] = Counter()
    if (
        tracking_uri(settings).startswith("sqlite:///")
        and not Path(tracking_uri(settings).removeprefix("sqlite:///")).exists()
    ):
        return found
    from mlflow import MlflowClient
    from mlflow.entities import ViewType

    client = MlflowClient(tracking_uri(settings))
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        return found
    token = None
    while True:
        page = client.search_runs(
            [experiment.experiment_id], run_view_type=ViewType.ALL, page_token=token
        )
        for run in page:
            found.update(_replace_copy(client, run.info.run_id, dropped))
        token = page.token
        if not token:
            return found


def _replace_copy(client: Any, run_id: str, dropped: set[str]) -> set[str]:
    """The people whom a run's artefacts had."""
    if checkpoints.MODEL not in {file.path for file in client.list_artifacts(run_id)}:
        return set()
    with TemporaryDirectory() as folder:
        client.download_artifacts(run_id, "", folder)
        gone = checkpoints.drop_ids(FolderStorage(Path(folder)), ".", _PERSON, dropped)
        if gone:
            # The ids go last: as long as they are there, a try after a kill does it all again.
            for name in (checkpoints.PARAMETERS, checkpoints.HISTORY, checkpoints.MODEL):
                client.log_artifact(run_id, str(Path(folder) / name))
    return gone
