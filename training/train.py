"""Finds the night's model, or trains it: the champion's family, or a challenger that beats it.

    python -m training.train --as-of 2026-03-01
    torchrun --standalone --nproc-per-node 2 -m training.train --as-of 2026-03-01

Writes score_evaluation, then the checkpoint, and last the row of run_models: a model exists from
    that moment, so a run that was killed before leaves only files, which the next run writes again
    with equal bytes. A killed fit resumes after its last whole epoch. Of several processes rank 0
    decides whether to train, and writes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import structlog
import torch
import typer
from torch.distributed.elastic.multiprocessing.errors import record

from feature_store.lake.arrow_io import Written
from feature_store.lake.lease import writer_lease
from feature_store.lake.storage import open_storage
from feature_store.privacy.suppression import erasure_guard
from feature_store.runs.lineage import versions_of
from feature_store.runs.run_log import record_task
from feature_store.settings import Night, load_settings
from feature_store.tables.runs import RUN_MODELS
from training.artifacts import checkpoints, model_registry
from training.artifacts.mlflow_tracking import track
from training.artifacts.model_registry import ModelRow
from training.artifacts.score_evaluation import repeat_results, write_results
from training.config import Recipe, load_recipe
from training.data.dataset import Dataset
from training.data.reading import TABLES_READ, read_dataset
from training.engine import resume
from training.engine.distributed import (
    broadcast_from_rank0,
    check_same_in_all_processes,
    n_processes,
    process_group,
)
from training.engine.loop import deterministic
from training.engine.model_selection import (
    FamilyResult,
    TrainingResult,
    evaluate_on_test,
    fit_champion,
    select_on_validation,
    split_for,
)
from training.engine.resume import ResumePolicy
from training.evaluation.splits import Unsplit

LOG = structlog.get_logger()

BASELINES = ("popularity", "item_knn")  # every training evaluates them too, on the same split

Retrain = Literal["auto", "always", "never"]


def run(night: Night, retrain: Retrain = "auto") -> ModelRow:
    """The night's model: the champion's, or its successor's."""
    return train(night, retrain=retrain)


def train(night: Night, *, family: str | None = None, retrain: Retrain = "auto") -> ModelRow:
    """Find the model that the night uses, or train it.

    A training of the champion is a champion–challenger test too: a family of training.challengers
    that is better beyond chance is promoted instead.

    Args:
        night: the day and the settings.
        family: a name in the registry, which is then promoted by hand; the champion when left out.
        retrain: auto trains when no usable model is there, always does so anyway, never refuses to.

    Raises:
        NoModelError: retrain is never and there is no usable model.
        ErasedDuringRun: a person was erased while it trained.
    """
    started_at_s = time.monotonic()
    champion = family or broadcast_from_rank0(lambda: model_registry.champion_of(night))
    found = broadcast_from_rank0(lambda: _find_model(night, champion, retrain))
    if found is not None:
        return broadcast_from_rank0(lambda: _reuse(night, found, started_at_s))
    challengers = [] if family else model_registry.challengers_of(night, champion)
    competing = [load_recipe(name) for name in (champion, *challengers)]
    return _train_new(night, competing, started_at_s)


def device_of(night: Night) -> torch.device:
    """Where tensors live: the setting, or a GPU when there is one."""
    setting = night.settings.training.device
    if setting == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(setting)


def _find_model(night: Night, family: str, retrain: Retrain) -> ModelRow | None:
    """The model that is there already; None when one is to be trained."""
    if retrain == "never":
        return model_registry.usable_model(night, family)
    return model_registry.find_usable(night, family) if retrain == "auto" else None


def _reuse(night: Night, found: ModelRow, started_at_s: float) -> ModelRow:
    """Repeat the metrics of an existing model in the night's slice, and log the night."""
    written = repeat_results(night, found)
    elapsed_s = time.monotonic() - started_at_s
    record_task(night, written, {}, elapsed_s=elapsed_s, now=datetime.now(UTC))
    LOG.info(
        "model_reused", family=found.family, version=found.model_version, as_of=str(night.as_of)
    )
    return found


@dataclass(frozen=True, slots=True)
class _Inputs:
    """What a training reads, and the versions that follow from it.

    Attributes:
        table_versions: of the tables read, for the lineage.
        check_no_erasure: raises when a person was erased after the tables were read.
        competing, baselines: recipes of champion and challengers, and of families to evaluate.
        model_versions: of each of these families.
    """

    table_versions: dict[str, int]
    check_no_erasure: Callable[[], None]
    dataset: Dataset
    data_sha256: str
    competing: tuple[Recipe, ...]
    baselines: tuple[Recipe, ...]
    model_versions: dict[str, str]


def _train_new(night: Night, competing: Sequence[Recipe], started_at_s: float) -> ModelRow:
    """Train in every process; write the metrics, the model and the log in rank 0."""
    inputs = _read_inputs(night, competing)
    folders = _resume_folders(night, inputs)
    for folder in folders.values():
        broadcast_from_rank0(partial(resume.delete_stale, folder))
    with resume.delete_on_erasure(folders.values()):
        training, results = _fit_and_evaluate(night, inputs, folders)

    def write() -> ModelRow:
        written = write_results(night, results, training.challenger_tests, inputs.model_versions)
        # Before an erasure can stop the training: the resume files hold rows of every listener.
        for folder in folders.values():
            resume.delete(folder)
        # An erasure rewrites models under this lease too: it finds this model or stops it.
        with writer_lease(night.settings.lake, RUN_MODELS.name):
            inputs.check_no_erasure()
            row = _save_model(night, training, inputs)
        elapsed_s = time.monotonic() - started_at_s
        _record(night, row, training, written, inputs.table_versions, elapsed_s)
        return row

    return broadcast_from_rank0(write)


def _read_inputs(night: Night, competing: Sequence[Recipe]) -> _Inputs:
    """Read the tables and recipes, and check that all processes have the same ones."""
    settings, device = night.settings, device_of(night)
    table_versions = versions_of(settings.lake, TABLES_READ)
    check_no_erasure = erasure_guard(settings.lake)
    dataset = read_dataset(settings.lake, night.as_of, settings.graph)
    data_sha256 = dataset.sha256()
    families = {recipe.family for recipe in competing}
    baselines = tuple(load_recipe(name) for name in BASELINES if name not in families)
    model_versions = {
        recipe.family: model_registry.version_of(recipe, data_sha256, settings, device.type)
        for recipe in (*competing, *baselines)
    }
    check_same_in_all_processes("data, code or recipes", " ".join(model_versions.values()))
    return _Inputs(
        table_versions,
        check_no_erasure,
        dataset,
        data_sha256,
        tuple(competing),
        baselines,
        model_versions,
    )


def _resume_folders(night: Night, inputs: _Inputs) -> dict[str, Path]:
    """Folders of the resume files, by family."""
    state, versions = night.settings.state, inputs.model_versions
    return {
        recipe.family: resume.resume_folder(state, recipe.family, versions[recipe.family])
        for recipe in inputs.competing
    }


def _fit_and_evaluate(
    night: Night, inputs: _Inputs, folders: dict[str, Path]
) -> tuple[TrainingResult, tuple[FamilyResult, ...]]:
    """Fit the families that compete, and evaluate the baselines too."""
    settings, device = night.settings, device_of(night)
    champion, *challengers = inputs.competing
    with deterministic(settings.seed, settings.training.n_threads):
        training = fit_champion(
            inputs.dataset,
            champion,
            challengers=challengers,
            seed=settings.seed,
            device=device,
            resume_policy_of=lambda recipe: ResumePolicy(
                folders[recipe.family], inputs.check_no_erasure
            ),
        )
        return training, training.results + _evaluate_baselines(
            inputs.dataset, champion, inputs.baselines, settings.seed, device
        )


def _evaluate_baselines(
    dataset: Dataset, champion: Recipe, baselines: Sequence[Recipe], seed: int, device: torch.device
) -> tuple[FamilyResult, ...]:
    """Metrics of families that do not compete, on the champion's split."""
    split = split_for(dataset, champion, seed)
    if isinstance(split, Unsplit):
        return ()
    results: list[FamilyResult] = []
    for recipe in baselines:
        selected = select_on_validation(dataset, split, recipe, seed=seed, device=device)
        test = evaluate_on_test(selected.state, dataset, split, recipe, device)
        results += [selected.validation, test]
    return tuple(results)


def _save_model(night: Night, training: TrainingResult, inputs: _Inputs) -> ModelRow:
    """Write the checkpoint, its copy in MLflow, and last its row."""
    recipe = training.recipe
    version = inputs.model_versions[recipe.family]
    storage = open_storage(night.settings.lake)
    folder = model_registry.checkpoint_folder(recipe.family, version)
    sha256 = checkpoints.write(storage, folder, training.state, training.fits, recipe.as_json())
    row = ModelRow(
        family=recipe.family,
        model_version=version,
        trained_as_of_date=night.as_of,
        promoted_as_of_date=night.as_of,
        checkpoint_uri=folder,
        checkpoint_sha256=sha256,
        data_sha256=inputs.data_sha256,
        config_json=recipe.as_json(),
        mlflow_run_id=track(night, training, storage, folder, version),
        run_id=night.run_id,
        recorded_at_utc=datetime.now(UTC),
    )
    return model_registry.add(night, row)


def _record(
    night: Night,
    row: ModelRow,
    training: TrainingResult,
    written: Written,
    table_versions: dict[str, int],
    elapsed_s: float,
) -> None:
    """One row of run_metrics and one line of the log."""
    record_task(night, written, table_versions, elapsed_s=elapsed_s, now=datetime.now(UTC))
    LOG.info(
        "model_trained",
        family=row.family,
        version=row.model_version,
        as_of=str(night.as_of),
        epochs=training.fits["final"].best_epoch,
        processes=n_processes(),
        unsplit=training.unsplit,
        seconds=round(elapsed_s, 1),
    )


@record
def main(
    as_of: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Last day covered.")],
    family: Annotated[str, typer.Option(help="To promote by hand; else the champion.")] = "",
    retrain: Annotated[Retrain, typer.Option(help="Whether to train a new model.")] = "auto",
    run_id: Annotated[str, typer.Option(help="Run to record it under.")] = "manual",
) -> None:
    """Find or train the model of a night."""
    night = Night(date(as_of.year, as_of.month, as_of.day), run_id, load_settings())
    with process_group(device_of(night)):
        train(night, family=family or None, retrain=retrain)


if __name__ == "__main__":
    typer.run(main)
