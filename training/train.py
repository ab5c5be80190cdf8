"""Give a night its model: an existing one that is young enough, or a new one.

    python -m training.train --as-of 2026-03-01
    torchrun --standalone --nproc-per-node 2 -m training.train --as-of 2026-03-01

Writes score_evaluation, then the checkpoint, and last the row of run_models: a model exists from
    that moment, so a run that was killed before leaves only files, which the next one writes again
    with equal bytes. Its fits go on after their last whole epoch. Of several processes the first
    one decides whether to train, and writes.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
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
from feature_store.privacy.suppression import ErasedMeanwhile, unchanged_people
from feature_store.runs.lineage import versions_of
from feature_store.runs.run_log import record_task
from feature_store.settings import Night, load_settings
from feature_store.tables.runs import RUN_MODELS
from training.artifacts import checkpoints, model_registry
from training.artifacts.mlflow_tracking import track
from training.artifacts.model_registry import ModelRow
from training.artifacts.score_evaluation import repeat_measured, write_measured
from training.config import Recipe, load_recipe
from training.data.dataset import World
from training.data.reading import TABLES_READ, read_world
from training.engine import resume
from training.engine.distributed import n_processes, refuse_difference, said_by_first, together
from training.engine.loop import deterministic
from training.engine.model_selection import Learned, Measured, choose, learn, split_of, tested
from training.engine.resume import Keeping
from training.evaluation.splits import Unsplit

LOG = structlog.get_logger()

COMPARED = ("popularity", "item_knn")
"""Families that are measured beside every trained one, on the same split."""

Retrain = Literal["auto", "always", "never"]


def run(night: Night, retrain: Retrain = "auto") -> ModelRow:
    """The night's model: the champion's, or its successor's."""
    return train(night, retrain=retrain)


def train(night: Night, *, family: str | None = None, retrain: Retrain = "auto") -> ModelRow:
    """Find the model that the night uses, or train it.

    A training of the champion is a contest too: who challenges it (training.challengers) and is
    better beyond chance is promoted instead.

    Args:
        night: the day and the settings.
        family: a name in the registry, which is then promoted by hand; the champion when left out.
        retrain: auto trains when no usable model is there, always does so anyway, never refuses to.

    Raises:
        NoModelError: retrain is never and there is no usable model.
        ErasedMeanwhile: a person was erased while it trained.
    """
    started_at_s = time.monotonic()
    wanted = family or said_by_first(lambda: model_registry.champion_of(night))
    found = said_by_first(lambda: _found(night, wanted, retrain))
    if found is not None:
        return said_by_first(lambda: _reused(night, found, started_at_s))
    challengers = [] if family else model_registry.challengers_of(night, wanted)
    competing = [load_recipe(name) for name in (wanted, *challengers)]
    return _trained(night, competing, started_at_s)


def device_of(night: Night) -> torch.device:
    """Where tensors live: the setting, or a GPU when there is one."""
    wanted = night.settings.training.device
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(wanted)


def _found(night: Night, family: str, retrain: Retrain) -> ModelRow | None:
    """The model that is there already; None when one is to be trained."""
    if retrain == "never":
        return model_registry.usable_model(night, family)
    return model_registry.find_usable(night, family) if retrain == "auto" else None


def _reused(night: Night, found: ModelRow, started_at_s: float) -> ModelRow:
    """Write what is written of a model that was there: its figures, in the night's slice too."""
    written = repeat_measured(night, found)
    elapsed_s = time.monotonic() - started_at_s
    record_task(night, written, {}, elapsed_s=elapsed_s, now=datetime.now(UTC))
    LOG.info(
        "model_reused", family=found.family, version=found.model_version, as_of=str(night.as_of)
    )
    return found


def _trained(night: Night, competing: Sequence[Recipe], started_at_s: float) -> ModelRow:
    """Train, in every process; and write everything about it, in the first."""
    settings, device = night.settings, device_of(night)
    inputs = versions_of(settings.lake, TABLES_READ)
    refuse_old_people = unchanged_people(settings.lake)
    world = read_world(settings.lake, night.as_of, settings.graph)
    data_sha256 = world.sha256()
    beside = [load_recipe(name) for name in COMPARED if name not in {r.family for r in competing}]
    versions = {
        recipe.family: model_registry.version_of(recipe, data_sha256, settings, device.type)
        for recipe in (*competing, *beside)
    }
    refuse_difference("data, code or recipes", " ".join(versions.values()))
    folders = {
        recipe.family: resume.folder_of(settings.state, recipe.family, versions[recipe.family])
        for recipe in competing
    }
    for folder in folders.values():
        said_by_first(partial(resume.begin, folder))
    champion, *challengers = competing
    with (
        deterministic(settings.seed, settings.training.n_threads),
        _forgotten_when_refused(folders.values()),
    ):
        learned = learn(
            world,
            champion,
            challengers=challengers,
            seed=settings.seed,
            device=device,
            keeping_of=lambda recipe: Keeping(folders[recipe.family], refuse_old_people),
        )
        measured = learned.measured + _measured_beside(
            world, champion, beside, settings.seed, device
        )

    def write() -> ModelRow:
        written = write_measured(night, measured, learned.contests, versions)
        # Before an erasure can stop us: what the fits kept holds rows of everybody.
        for folder in folders.values():
            resume.forget(folder)
        # An erasure takes people out of models under this lease too: it finds this one or stops it.
        with writer_lease(settings.lake, RUN_MODELS.name):
            refuse_old_people()
            row = _added(night, learned, versions[learned.recipe.family], data_sha256)
        _record(night, row, learned, written, inputs, time.monotonic() - started_at_s)
        return row

    return said_by_first(write)


@contextmanager
def _forgotten_when_refused(folders: Iterable[Path]) -> Iterator[None]:
    """When somebody is erased meanwhile, no fit of this training keeps its state."""
    try:
        yield
    except ErasedMeanwhile:
        for folder in folders:
            resume.forget(folder)
        raise


def _added(night: Night, learned: Learned, version: str, data_sha256: str) -> ModelRow:
    """Write the checkpoint, its track in MLflow, and last its row."""
    recipe = learned.recipe
    storage = open_storage(night.settings.lake)
    folder = model_registry.checkpoint_folder(recipe.family, version)
    sha256 = checkpoints.write(storage, folder, learned.saved, learned.fits, recipe.as_json())
    row = ModelRow(
        family=recipe.family,
        model_version=version,
        trained_as_of_date=night.as_of,
        promoted_as_of_date=night.as_of,
        checkpoint_uri=folder,
        checkpoint_sha256=sha256,
        data_sha256=data_sha256,
        config_json=recipe.as_json(),
        mlflow_run_id=track(night, learned, storage, folder, version),
        run_id=night.run_id,
        recorded_at_utc=datetime.now(UTC),
    )
    return model_registry.add(night, row)


def _record(
    night: Night,
    row: ModelRow,
    learned: Learned,
    written: Written,
    inputs: dict[str, int],
    elapsed_s: float,
) -> None:
    """One row of run_metrics and one line of the log."""
    record_task(night, written, inputs, elapsed_s=elapsed_s, now=datetime.now(UTC))
    LOG.info(
        "model_trained",
        family=row.family,
        version=row.model_version,
        as_of=str(night.as_of),
        epochs=learned.fits["final"].best_epoch,
        processes=n_processes(),
        unsplit=learned.unsplit,
        seconds=round(elapsed_s, 1),
    )


def _measured_beside(
    world: World, champion: Recipe, recipes: Sequence[Recipe], seed: int, device: torch.device
) -> tuple[Measured, ...]:
    """Metrics of families that do not compete, on the champion's split."""
    split = split_of(world, champion, seed)
    if isinstance(split, Unsplit):
        return ()
    beside: list[Measured] = []
    for recipe in recipes:
        chosen = choose(world, split, recipe, seed=seed, device=device)
        beside += [chosen.validation, tested(chosen.saved, world, split, recipe, device)]
    return tuple(beside)


@record
def main(
    as_of: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Last day covered.")],
    family: Annotated[str, typer.Option(help="To promote by hand; else the champion.")] = "",
    retrain: Annotated[Retrain, typer.Option(help="Whether to train anew.")] = "auto",
    run_id: Annotated[str, typer.Option(help="Run to record it under.")] = "by-hand",
) -> None:
    """Find or train the model of a night."""
    night = Night(date(as_of.year, as_of.month, as_of.day), run_id, load_settings())
    with together(device_of(night)):
        train(night, family=family or None, retrain=retrain)


if __name__ == "__main__":
    typer.run(main)
