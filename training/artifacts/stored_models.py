"""Stores models: the checkpoint, its copies, and last its row of run_models."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from feature_store.lake.storage import open_storage
from training.artifacts import checkpoints, model_registry
from training.artifacts.mlflow_tracking import track
from training.artifacts.model_registry import NO_MODEL, ModelRow, NoModelError
from training.artifacts.upstream import is_before_cut
from training.evaluation.splits import Unsplit

if TYPE_CHECKING:
    from feature_store.settings import Night
    from training.artifacts.training_inputs import TrainingInputs, TrainingPlan
    from training.engine.model_selection import TrainingResult
    from training.tasks.protocol import Task


def store(
    night: Night, training: TrainingResult, inputs: TrainingInputs, plan: TrainingPlan
) -> ModelRow:
    """Write the checkpoints, the copy in MLflow where it takes it, and last the row."""
    recipe = training.recipe
    version = inputs.versions[recipe.family].model_version
    storage = open_storage(night.settings.lake)
    folder = model_registry.checkpoint_folder(recipe.task, recipe.family, version)
    before_cut_sha256 = None
    if training.before_cut is not None:
        before_cut_sha256 = checkpoints.write(
            storage, f"{folder}/{checkpoints.BEFORE_CUT}", training.before_cut, {}, recipe.as_json()
        )
    sha256 = checkpoints.write(storage, folder, training.state, training.fits, recipe.as_json())
    is_cut_by_time = not isinstance(inputs.split, Unsplit) and inputs.split.rule == "time"
    row = ModelRow(
        training_task=recipe.task,
        family=recipe.family,
        model_version=version,
        model_role=plan.role,
        trained_as_of_date=night.as_of,
        checked_as_of_date=night.as_of,
        fitted_until_date=night.as_of,
        held_out_from_date=inputs.cut.validation.start if is_cut_by_time and inputs.cut else None,
        promoted_as_of_date=night.as_of if plan.is_promoted else None,
        upstream_versions=inputs.upstream_of(recipe.family, training.state),
        checkpoint_uri=folder,
        checkpoint_sha256=sha256,
        before_cut_sha256=before_cut_sha256,
        data_sha256=inputs.data_sha256,
        inputs_sha256=inputs.inputs_sha256,
        config_json=recipe.as_json(),
        mlflow_run_id=track(night, training, storage, folder, version),
        no_data_reason=None,
        run_id=night.run_id,
        recorded_at_utc=datetime.now(UTC),
    )
    return model_registry.add(night, row)


def refuse_demoted(night: Night, plan: TrainingPlan, inputs: TrainingInputs) -> None:
    """Stop before a fit that would give a model again which a person has demoted.

    Raises:
        NoModelError: only a person, or other inputs, bring it back.
    """
    family, task = plan.competing[0].family, plan.competing[0].task
    demoted = model_registry.demoted_versions(night, task)
    for row in model_registry.rows_of(night, task):
        is_same = row.family == family and row.inputs_sha256 == inputs.inputs_sha256
        if is_same and row.model_version in demoted:
            raise NoModelError(
                f"run_promotions: {family} {row.model_version} was demoted, and the inputs of "
                f"{night.as_of} give this model again; promote it or another one (evensong "
                "models), or set training.families to another family"
            )


def unchanged(night: Night, plan: TrainingPlan, inputs: TrainingInputs) -> ModelRow | None:
    """The model of the plan's role that was trained from exactly these inputs."""
    family, task = plan.competing[0].family, plan.competing[0].task
    known = model_registry.promoted_models(night, task, family)
    if plan.is_component:
        demoted = model_registry.demoted_versions(night, task)
        known = [
            row
            for row in model_registry.rows_of(night, task)
            if row.family == family
            and row.has_model
            and row.checked_as_of_date <= night.as_of
            and row.model_version not in demoted
            and is_before_cut(row, inputs.cut, night)
        ]
    return next((row for row in known if row.inputs_sha256 == inputs.inputs_sha256), None)


def renew(night: Night, row: ModelRow) -> ModelRow:
    """Say that the model's inputs are unchanged tonight: its age counts from here."""
    renewed = replace(
        row,
        checked_as_of_date=night.as_of,
        run_id=night.run_id,
        recorded_at_utc=datetime.now(UTC),
    )
    return model_registry.add(night, renewed)


def store_no_data(
    night: Night, task: Task[Any, Any, Any], plan: TrainingPlan, data_sha256: str, reason: str
) -> ModelRow:
    """A row that says why the family that the plan stores has no model tonight."""
    recipe = plan.stored_recipe
    return model_registry.add(
        night,
        ModelRow(
            training_task=task.name,
            family=recipe.family,
            model_version=NO_MODEL,
            model_role=NO_MODEL,
            trained_as_of_date=night.as_of,
            checked_as_of_date=night.as_of,
            fitted_until_date=night.as_of,
            held_out_from_date=None,
            promoted_as_of_date=None,
            upstream_versions=(),
            checkpoint_uri=None,
            checkpoint_sha256=None,
            before_cut_sha256=None,
            data_sha256=data_sha256,
            inputs_sha256="",
            config_json=recipe.as_json(),
            mlflow_run_id=None,
            no_data_reason=reason,
            run_id=night.run_id,
            recorded_at_utc=datetime.now(UTC),
        ),
    )
