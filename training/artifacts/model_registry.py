"""Model registry: rows of run_models, the champion of a task, and the model that a night uses."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import torch

from feature_store.lake.arrow_io import append, read_table
from feature_store.lake.delta_tables import ensure_table
from feature_store.lake.storage import open_storage, sha256_of
from feature_store.runs.promotions import TRAINING, Promoted, newest_decisions, standing
from feature_store.tables.runs import RUN_MODELS, RUN_PROMOTIONS
from training.artifacts import checkpoints
from training.artifacts.code_version import family_code_version
from training.engine.distributed import n_processes
from training.tasks.registry import get_family, get_task

if TYPE_CHECKING:
    from feature_store.settings import Night
    from training.artifacts.model_state import ModelState
    from training.engine.recipe import Recipe

NO_MODEL = "none"
"""Role, and version, of a row that says that a task had no data."""


class NoModelError(LookupError):
    """There is no model that the night may use."""


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A row of run_models."""

    training_task: str
    family: str
    model_version: str
    model_role: str
    trained_as_of_date: date
    checked_as_of_date: date
    fitted_until_date: date
    held_out_from_date: date | None
    promoted_as_of_date: date | None
    upstream_versions: tuple[str, ...]
    checkpoint_uri: str | None
    checkpoint_sha256: str | None
    before_cut_sha256: str | None
    data_sha256: str
    inputs_sha256: str
    config_json: str
    mlflow_run_id: str | None
    no_data_reason: str | None
    run_id: str
    recorded_at_utc: datetime

    @property
    def learned_versions(self) -> dict[str, str]:
        """Versions by name of what the model learned from; names of models have a slash."""
        return dict(one.partition("=")[::2] for one in self.upstream_versions)

    @property
    def has_model(self) -> bool:
        """Whether the row stands for a model, and not for a task without data."""
        return self.model_role != NO_MODEL


@dataclass(frozen=True, slots=True)
class ModelVersions:
    """Hashes of what decides a training.

    Attributes:
        model_version: of a family, with the day: 16 hexadecimal digits.
        inputs_sha256: the same without the day.
    """

    model_version: str
    inputs_sha256: str


def versions_of_recipe(
    recipe: Recipe, data_sha256: str, upstream: Iterable[str], night: Night, device: str
) -> ModelVersions:
    """Hash everything that decides a model's bytes.

    Data, recipe, what is held out, the code of family and task, models and features that it learns
    from, seed and torch; and what decides in which order floats are added: processes, threads,
    device.
    """
    settings, task = night.settings, get_task(recipe.task)
    code_version = family_code_version(task.families[recipe.family].module, type(task).__module__)
    parts = [
        data_sha256, recipe.as_json(), settings.training.split.model_dump_json(), code_version,
        sorted(upstream), settings.seed, torch.__version__, n_processes(),
        settings.training.n_threads, device,
    ]  # fmt: skip
    inputs_sha256 = sha256_of(json.dumps(parts).encode())
    with_day = f"{inputs_sha256} {night.as_of}"
    return ModelVersions(sha256_of(with_day.encode())[:16], inputs_sha256)


def checkpoint_folder(task: str, family: str, model_version: str) -> str:
    """Where the checkpoint lies, relative to the lake."""
    return f"models/{task}/{family}/{model_version}"


def champion_of(night: Night, task: str) -> str:
    """The family that scores for the task.

    That of the newest promotion, by a training or by a person, which the night may know of, among
    the families that the settings let compete; a person may promote any family. The settings' own
    where none was promoted yet.
    """
    begins_with = night.settings.training.families.get(task, get_task(task).default_family)
    competing = {begins_with, *night.settings.training.challengers.get(task, ())}
    for promotion in _promotions(night, task):
        if promotion.family in competing or promotion.by != TRAINING:
            return promotion.family
    return begins_with


def challengers_of(night: Night, task: str, champion: str) -> list[str]:
    """Families that may replace the champion, in the order of the settings."""
    training = night.settings.training
    begins_with = training.families.get(task, get_task(task).default_family)
    competing = dict.fromkeys((begins_with, *training.challengers.get(task, ())))  # each once
    return [name for name in competing if name != champion]


def promoted_models(night: Night, task: str, family: str) -> list[ModelRow]:
    """The family's models that are promoted on the night, newest first, each once.

    A model trained or promoted after `as_of` is never among them: a backfill must not know the
    future. Each is the row with the newest check that the night may know of.
    """
    rows: dict[str, ModelRow] = {}
    for row in sorted(
        rows_of(night, task), key=lambda row: (row.checked_as_of_date, row.recorded_at_utc)
    ):
        if row.has_model and row.checked_as_of_date <= night.as_of:
            rows[row.model_version] = row
    return [
        rows[one.model_version]
        for one in _promotions(night, task)
        if one.family == family and one.model_version in rows
    ]


def find_usable(
    night: Night, task: str, family: str, upstream: Mapping[str, str]
) -> ModelRow | None:
    """The newest promoted model that is young enough and learned from what the night has.

    Args:
        night: the day and the settings.
        task: what was learned.
        family: whose model.
        upstream: versions of features and models that the night has, by name.
    """
    usable = (
        row
        for row in promoted_models(night, task, family)
        if age_days(row, night) <= night.settings.training.max_age_days(task)
        and not changed_upstream(row, upstream)
    )
    return next(usable, None)


def usable_model(night: Night, task: str, family: str, upstream: Mapping[str, str]) -> ModelRow:
    """The model that scores: as `find_usable`, or a young one that learned from older upstreams.

    A model of older upstreams reads those versions, whose rows are still there: never a mix.

    Raises:
        NoModelError: there is none; says which rule and what to do.
    """
    found = find_usable(night, task, family, upstream)
    max_age_days = night.settings.training.max_age_days(task)
    if found is None:
        young = (
            row
            for row in promoted_models(night, task, family)
            if age_days(row, night) <= max_age_days
        )
        found = next(young, None)
    if found is None:
        raise NoModelError(
            f"{RUN_MODELS.name}: no {family} of task {task} trained and promoted by {night.as_of} "
            f"and at most {max_age_days} days old (training.max_model_age_days); "
            f"run: python -m training.train {task} --as-of {night.as_of}"
        )
    return found


def reason_without_model(night: Night, task: str, family: str) -> str:
    """Why tonight's training of a family gave no model; empty when it gave one, or none ran."""
    rows = [
        row
        for row in rows_of(night, task)
        if row.family == family and row.checked_as_of_date == night.as_of
    ]
    newest = max(rows, key=lambda row: row.recorded_at_utc, default=None)
    return (newest.no_data_reason or "") if newest is not None else ""


def newest_component(
    night: Night, task: str, family: str, upstream: Mapping[str, str]
) -> ModelRow | None:
    """The model that others learn from: young enough, and promoted or trained as a component.

    What a person has demoted, or not promoted yet, teaches no other model.
    """
    promoted = {one.model_version for one in _promotions(night, task)}
    demoted = demoted_versions(night, task)
    known = [
        row
        for row in rows_of(night, task)
        if (row.model_version in promoted or row.model_role == "component")
        and row.model_version not in demoted
        and row.family == family
        and row.checked_as_of_date <= night.as_of
        and age_days(row, night) <= night.settings.training.max_age_days(task)
        and not changed_upstream(row, upstream)
    ]
    return max(known, key=lambda row: (row.checked_as_of_date, row.recorded_at_utc), default=None)


def changed_upstream(row: ModelRow, upstream: Mapping[str, str]) -> list[str]:
    """Names of upstreams that the night does not have in the version that the row learned from.

    A feature table that the night does not read at all changes nothing: the modality is absent. A
    model that is needed, and not there or not learned from, is a change.
    """
    learned = row.learned_versions
    needs = get_family(row.training_task, row.family).needs
    models = {str(ref) for ref in needs} | {name for name in learned if "/" in name}
    features = {name for name in learned if "/" not in name}
    return [
        *(name for name in sorted(models) if upstream.get(name) != learned.get(name)),
        *(name for name in sorted(features) if upstream.get(name, learned[name]) != learned[name]),
    ]


def age_days(row: ModelRow, night: Night) -> int:
    """Days since the model was trained, or since a training last found its inputs unchanged."""
    return (night.as_of - row.checked_as_of_date).days


def demoted_versions(night: Night, task: str) -> set[str]:
    """Versions whose newest decision that the night may know of is a demotion."""
    ensure_table(night.settings.lake, RUN_PROMOTIONS)
    decided = newest_decisions(
        read_table(night.settings.lake, RUN_PROMOTIONS).to_pylist(), night.as_of
    )
    return {
        row["model_version"]
        for row in decided.values()
        if row["training_task"] == task and row["decision"] == "demote"
    }


def read_state(night: Night, row: ModelRow, *, before_cut: bool = False) -> ModelState:
    """The state of a row's model: that which scores, or the one that was fitted before the cut.

    Raises:
        CheckpointError: its files are not those that its row names.
        NoModelError: nothing was held out, so there is no copy before the cut.
    """
    storage, folder = open_storage(night.settings.lake), str(row.checkpoint_uri)
    if not before_cut:
        return checkpoints.read(storage, folder, str(row.checkpoint_sha256))
    if row.before_cut_sha256 is None:
        raise NoModelError(
            f"{RUN_MODELS.name}: {row.training_task}/{row.family} {row.model_version} held nothing "
            "out, so no copy of it is fitted before the night's cut; evaluate on more days"
        )
    return checkpoints.read(storage, f"{folder}/{checkpoints.BEFORE_CUT}", row.before_cut_sha256)


def add(night: Night, row: ModelRow) -> ModelRow:
    """Append the row unless its equal is there already; returns the row that counts.

    A training that wrote other bytes, or that promotes what was a candidate or a component, has a
    row of its own; the newest of a version counts.
    """
    same = [known for known in rows_of(night, row.training_task) if _is_repeated(known, row)]
    if same:
        return max(same, key=lambda known: known.recorded_at_utc)
    values = {name: getattr(row, name) for name in RUN_MODELS.column_names}
    values["upstream_versions"] = list(row.upstream_versions)
    append(
        night.settings.lake,
        RUN_MODELS,
        pa.Table.from_pylist([values], schema=RUN_MODELS.arrow_schema),
        commit_note=night.run_id,
    )
    return row


def _is_repeated(known: ModelRow, row: ModelRow) -> bool:
    """Whether a known row says all that the new one says."""
    names = (
        "family",
        "model_version",
        "checked_as_of_date",
        "checkpoint_sha256",
        "before_cut_sha256",
    )
    is_same = all(getattr(known, name) == getattr(row, name) for name in names)
    is_promoted_now = known.promoted_as_of_date is None and row.promoted_as_of_date is not None
    return is_same and not is_promoted_now


def rows_of(night: Night, task: str) -> list[ModelRow]:
    """All rows of a task."""
    ensure_table(night.settings.lake, RUN_MODELS)
    rows = read_table(night.settings.lake, RUN_MODELS).to_pylist()
    return [
        ModelRow(**row | {"upstream_versions": tuple(row["upstream_versions"])})
        for row in rows
        if row["training_task"] == task
    ]


def row_of_scoring(night: Night, task: str, family: str, model_version: str) -> ModelRow:
    """The newest row of the model that made a night's rows, by the names that these have.

    Raises:
        NoModelError: run_models has none.
    """
    rows = [
        row
        for row in rows_of(night, task)
        if (row.family, row.model_version) == (family, model_version)
    ]
    if not rows:
        raise NoModelError(
            f"{RUN_MODELS.name}: no row of {family} {model_version}, by which {task} made rows of "
            f"{night.as_of}; run that night again"
        )
    return max(rows, key=lambda row: row.recorded_at_utc)


def _promotions(night: Night, task: str) -> list[Promoted]:
    """What is promoted on the night, newest first."""
    lake = night.settings.lake
    for table in (RUN_MODELS, RUN_PROMOTIONS):
        ensure_table(lake, table)
    promoted = standing(
        read_table(lake, RUN_MODELS).to_pylist(),
        read_table(lake, RUN_PROMOTIONS).to_pylist(),
        night.as_of,
    )
    return list(promoted.get(task, ()))
