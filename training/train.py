"""Finds the night's model of a task, or trains it: the champion, or a challenger that beats it.

    python -m training.train ranking --as-of 2026-03-01
    torchrun --standalone --nproc-per-node 2 -m training.train ranking --as-of 2026-03-01

Writes score_evaluation, then the checkpoint, and last the row of run_models: a model exists from
    that moment, so a run that was killed before leaves only files, which the next run writes again
    with equal bytes. A killed fit resumes after its last whole epoch. Of several processes rank 0
    decides whether to train, and writes.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

import structlog
import torch
import typer
from torch.distributed.elastic.multiprocessing.errors import record

from feature_store.lake.delta_tables import exists
from feature_store.lake.lease import writer_lease
from feature_store.privacy.suppression import erasure_guard
from feature_store.runs.lineage import run_events, versions_of
from feature_store.runs.run_log import record_task
from feature_store.settings import Night, load_settings
from feature_store.tables.runs import RUN_MODELS
from feature_store.tables.scores import SCORE_EVALUATION
from feature_store.terminal import run_command
from training.artifacts import model_registry, upstream
from training.artifacts.model_registry import NoModelError
from training.artifacts.score_evaluation import repeat_results, write_results
from training.artifacts.stored_models import (
    refuse_demoted,
    renew,
    store,
    store_no_data,
    unchanged,
)
from training.artifacts.training_inputs import (
    TrainingInputs,
    TrainingPlan,
    lacks,
    missing_need,
    plan_by_hand,
    plan_component,
    plan_for,
    split_for,
    training_inputs,
    without_lacking,
    without_unusable,
)
from training.data.cut import read_cut
from training.engine import resume
from training.engine.distributed import (
    broadcast_from_rank0,
    check_same_in_all_processes,
    is_main,
    n_processes,
    process_group,
)
from training.engine.epoch_log import log_epoch
from training.engine.loop import deterministic
from training.engine.model_selection import (
    FamilyResult,
    Fitting,
    TrainingResult,
    better_on_test,
    evaluate_on_test,
    fit_champion,
    select_on_validation,
)
from training.engine.resume import ResumePolicy
from training.evaluation.splits import Unsplit
from training.progress_bars import disable_progress_bars
from training.recipe_changes import TAKE_IT, changed_keys
from training.tasks.protocol import ModelRef, Task
from training.tasks.registry import get_family, get_task

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from feature_store.lake.arrow_io import Written
    from training.artifacts.model_registry import ModelRow

LOG = structlog.get_logger()

_SHOWN_DECIMALS = 4  # of a metric

Retrain = Literal["auto", "always", "never"]


def train(
    night: Night, task_name: str, *, family: str | None = None, retrain: Retrain = "auto"
) -> ModelRow:
    """Find the model that the night uses for a task, or train it.

    A training of the champion is a champion–challenger test too: a family of training.challengers
    that is better beyond chance is promoted instead. A task without data gets a row that says so.

    Args:
        night: the day and the settings.
        task_name: a name in the registry of tasks.
        family: trained by hand, as a candidate that a person may promote; the champion when left
            out.
        retrain: auto trains when no usable model is there and its inputs have changed, always does
            so anyway, never refuses to.

    Raises:
        UnknownTaskError, UnknownFamilyError: no task, or no family of it, has this name.
        ValueError: both family and retrain are given.
        NoModelError: retrain is never and there is no usable model.
        DayAhead: the night's day is later than tomorrow.
        ErasedDuringRun: a person was erased while it trained.
    """
    started_at_s = time.monotonic()
    if family is not None and retrain != "auto":
        raise ValueError(
            f"retrain: {retrain} does not go with a family: a family that is named ({family}) is "
            "always trained; leave one of the two out"
        )
    disable_progress_bars()
    task = get_task(task_name)
    if family is not None:
        get_family(task_name, family)
    name = f"{SCORE_EVALUATION.name}.{task_name}"
    with (
        run_events(night, [name] if is_main() else [], partial(datetime.now, UTC)),
        deterministic(night.settings.seed, night.settings.training.n_threads),
    ):
        champion = broadcast_from_rank0(lambda: model_registry.champion_of(night, task_name))
        if family is not None:
            return _train_new(night, task, plan_by_hand(task, champion, family), started_at_s)
        found = broadcast_from_rank0(lambda: _find_model(night, task, champion, retrain))
        if found is not None:
            _warn_of_changed_recipe(night, found)
            return broadcast_from_rank0(lambda: _reuse(night, found, "model_reused", started_at_s))
        plan = plan_for(night, task, champion)
        return _train_new(night, task, plan, started_at_s, may_renew=retrain == "auto")


def device_of(night: Night) -> torch.device:
    """Where tensors live: the setting, or a GPU when there is one."""
    setting = night.settings.training.device
    if setting == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(setting)


def _find_model(
    night: Night, task: Task[Any, Any, Any], family: str, retrain: Retrain
) -> ModelRow | None:
    """The model that is there already; None when one is to be trained."""
    if retrain == "always":
        return None
    versions = upstream.versions_of_night(night, task.name, family)
    if retrain == "auto":
        return model_registry.find_usable(night, task.name, family, versions)
    try:
        return model_registry.usable_model(night, task.name, family, versions)
    except NoModelError:
        plan = plan_for(night, task, family)
        row = _row_without_data(night, task, plan)
        if row is None:
            raise
        return row


def _row_without_data(
    night: Night, task: Task[Any, Any, Any], plan: TrainingPlan
) -> ModelRow | None:
    """The row that says why there is nothing to learn; None when there is, or no table yet."""
    if not all(exists(night.settings.lake, table) for table in task.reads):
        return None
    data = task.read(night)
    reason = lacks(task, plan.stored_family, data)
    return store_no_data(night, task, plan, task.data_sha256(data), reason) if reason else None


def _reuse(night: Night, found: ModelRow, event: str, started_at_s: float) -> ModelRow:
    """Repeat the metrics of an existing model in the night's slice, and log the night."""
    written = repeat_results(night, found)
    _record(night, found, written, {}, started_at_s)
    _log(event, night, found)
    return found


def _warn_of_changed_recipe(night: Night, found: ModelRow) -> None:
    """Log in rank 0 that a model is reused although today's recipe is another one."""
    if is_main() and found.has_model and (changed := changed_keys(found)):
        LOG.warning(
            "the recipe has changed since the model was trained",
            training_task=found.training_task,
            family=found.family,
            version=found.model_version,
            as_of=str(night.as_of),
            changed=changed,
            next_step=TAKE_IT,
        )


def _end(
    night: Night, plan: TrainingPlan, row: ModelRow, event: str, started_at_s: float
) -> ModelRow:
    """End a training without a fit; a component leaves the day's metrics as they are."""
    if plan.is_component:
        _log(event, night, row)
        return row
    return _reuse(night, row, event, started_at_s)


def _train_new(
    night: Night,
    task: Task[Any, Any, Any],
    plan: TrainingPlan,
    started_at_s: float,
    *,
    may_renew: bool = False,
) -> ModelRow:
    """Train in every process; write the metrics, the model and the log in rank 0."""
    table_versions = versions_of(night.settings.lake, task.reads)
    check_no_erasure = erasure_guard(night.settings.lake)
    data, device = task.read(night), device_of(night)
    data_sha256 = task.data_sha256(data)
    check_same_in_all_processes("data", data_sha256)
    reason = lacks(task, plan.stored_family, data)
    plan = plan if reason else without_lacking(task, plan, data)
    needed = {} if reason else _needed_models(night, task, plan, started_at_s)
    reason = reason or missing_need(night, task, plan, needed)
    if reason:
        row = broadcast_from_rank0(lambda: store_no_data(night, task, plan, data_sha256, reason))
        return broadcast_from_rank0(lambda: _end(night, plan, row, "no_data", started_at_s))
    plan, split = split_for(night, task, without_unusable(night, task, plan, needed), data)
    inputs = training_inputs(
        night,
        task,
        plan,
        data,
        data_sha256,
        split,
        needed,
        table_versions,
        check_no_erasure,
        device,
    )
    if may_renew:
        same = broadcast_from_rank0(lambda: unchanged(night, plan, inputs))
        if same is not None:
            row = broadcast_from_rank0(lambda: renew(night, same))
            return broadcast_from_rank0(
                lambda: _end(night, plan, row, "model_renewed", started_at_s)
            )
    if plan.is_promoted:
        broadcast_from_rank0(lambda: refuse_demoted(night, plan, inputs))
    _log_plan(night, plan)
    with _resume_folders(night, plan, inputs) as folders:
        training, results = _fit_and_evaluate(night, task, plan, inputs, folders)

    def write() -> ModelRow:
        versions = {family: one.model_version for family, one in inputs.versions.items()}
        written = None
        if not plan.is_component:  # the day's slice describes the task's own models
            written = write_results(
                night, task.name, task.metric, results, training.challenger_tests, versions
            )
        # Before an erasure can stop the training: the resume files hold rows of every listener.
        for folder in folders.values():
            resume.delete(folder)
        # An erasure rewrites models under this lease too: it finds this model or stops it.
        with writer_lease(night.settings.lake, RUN_MODELS.name):
            inputs.check_no_erasure()
            row = store(night, training, inputs, plan)
        if written is not None:
            _record(night, row, written, inputs.table_versions, started_at_s)
        _log("model_trained", night, row, processes=n_processes(), unsplit=training.unsplit)
        return row

    return broadcast_from_rank0(write)


def _needed_models(
    night: Night, task: Task[Any, Any, Any], plan: TrainingPlan, started_at_s: float
) -> dict[str, dict[ModelRef, ModelRow]]:
    """The models that each family learns from; one that is not there is trained as a component."""
    return {
        recipe.family: {
            ref: _needed_model(night, ref, started_at_s)
            for ref in task.families[recipe.family].needs
        }
        for recipe in (*plan.competing, *plan.baselines)
    }


def _needed_model(night: Night, ref: ModelRef, started_at_s: float) -> ModelRow:
    """The night's model of a reference, or a new one, which is stored and not promoted.

    A model whose copy for evaluations has learned from days after tonight's cut is trained anew.
    """
    found = broadcast_from_rank0(lambda: upstream.needed_row(night, ref))
    if found is not None and upstream.is_before_cut(found, read_cut(night), night):
        return found
    plan = plan_component(ref)
    return _train_new(night, get_task(ref.task), plan, started_at_s, may_renew=True)


@contextmanager
def _resume_folders(
    night: Night, plan: TrainingPlan, inputs: TrainingInputs
) -> Iterator[dict[str, Path]]:
    """Folders of the resume files, by family; an erasure meanwhile deletes them."""
    folders = {
        recipe.family: resume.resume_folder(
            night.settings.state,
            recipe.task,
            recipe.family,
            inputs.versions[recipe.family].model_version,
        )
        for recipe in plan.competing
    }
    for folder in folders.values():
        broadcast_from_rank0(partial(resume.delete_stale, folder))
    with resume.delete_on_erasure(folders.values()):
        yield folders


def _fit_and_evaluate(
    night: Night,
    task: Task[Any, Any, Any],
    plan: TrainingPlan,
    inputs: TrainingInputs,
    folders: Mapping[str, Path],
) -> tuple[TrainingResult, tuple[FamilyResult, ...]]:
    """Fit the families that compete, and evaluate the baselines too."""
    settings, split = night.settings, inputs.split
    fitting = Fitting(
        task=task,
        data=inputs.data,
        device=device_of(night),
        resume_policy_of=lambda recipe: (
            ResumePolicy(folders[recipe.family], inputs.check_no_erasure)
            if recipe.family in folders
            else None
        ),
        before_cut=lambda family: upstream.needed_states(
            night, inputs.needed[family], before_cut=True
        ),
        final=lambda family: upstream.needed_states(night, inputs.needed[family], before_cut=False),
        on_epoch=log_epoch,
    )
    champion, *challengers = plan.competing
    training = fit_champion(
        fitting,
        split,
        champion,
        challengers=challengers,
        chosen=plan.chosen,
        seed=settings.seed,
        n_seeds=settings.training.challenger_seeds,
    )
    results = training.results
    if not isinstance(split, Unsplit):
        for recipe in plan.baselines:
            selected = select_on_validation(fitting, split, recipe, seed=settings.seed)
            test = evaluate_on_test(fitting, split, selected.state, recipe)
            results += (selected.validation, test)
    _warn_of_better(task, training.recipe.family, results)
    return training, results


def _warn_of_better(
    task: Task[Any, Any, Any], stored: str, results: Iterable[FamilyResult]
) -> None:
    """Say in the log of rank 0 which families were better on the test than the one that is stored.

    That happens where the settings name a family, or where the test disagrees with validation.
    """
    better = better_on_test(task.metric, stored, results)
    if better and is_main():
        LOG.warning(
            "other families are better on the test; see the report's section of quality",
            training_task=task.name,
            stored=stored,
            metric=task.metric,
            less_by={family: round(ahead, _SHOWN_DECIMALS) for family, ahead in better.items()},
        )


def _record(
    night: Night,
    row: ModelRow,
    written: Written,
    table_versions: Mapping[str, int],
    started_at_s: float,
) -> None:
    """One row of run_metrics: of the task's part of score_evaluation."""
    elapsed_s = time.monotonic() - started_at_s
    record_task(
        night,
        written,
        table_versions,
        part=row.training_task,
        elapsed_s=elapsed_s,
        now=datetime.now(UTC),
    )


def _log_plan(night: Night, plan: TrainingPlan) -> None:
    """Say in the log of rank 0 what a training is about to fit."""
    if not is_main():
        return
    LOG.info(
        "training",
        training_task=plan.competing[0].task,
        as_of=str(night.as_of),
        fits=[recipe.family for recipe in plan.competing],
        evaluates_too=[recipe.family for recipe in plan.baselines],
        role=plan.role,
    )


def _log(event: str, night: Night, row: ModelRow, **more: object) -> None:
    LOG.info(
        event,
        training_task=row.training_task,
        family=row.family,
        version=row.model_version,
        reason=row.no_data_reason,
        as_of=str(night.as_of),
        **more,
    )


@record
def main(
    task: Annotated[str, typer.Argument(help="What is learned, such as ranking.")],
    as_of: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Last day covered.")],
    family: Annotated[
        str, typer.Option(help="To train by hand, as a candidate, beside the champion.")
    ] = "",
    retrain: Annotated[Retrain, typer.Option(help="Whether to train a new model.")] = "auto",
    run_id: Annotated[str, typer.Option(help="Run to record it under.")] = "manual",
) -> None:
    """Find or train the model of a task for a night."""
    night = Night(date(as_of.year, as_of.month, as_of.day), run_id, load_settings())
    with process_group(device_of(night)):
        train(night, task, family=family or None, retrain=retrain)


if __name__ == "__main__":
    run_command(partial(typer.run, main))
