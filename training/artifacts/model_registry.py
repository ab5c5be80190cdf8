"""Model registry: the rows of run_models, the champion, and the model that a night uses."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime

import pyarrow as pa
import torch

from feature_store.lake.arrow_io import append, read_table
from feature_store.lake.delta_tables import ensure_table
from feature_store.lake.storage import sha256_of
from feature_store.settings import Night, Settings
from feature_store.tables.runs import RUN_MODELS
from training.artifacts.code_version import family_code_version
from training.config import Recipe
from training.engine.distributed import n_processes
from training.models.registry import FAMILIES


class NoModelError(LookupError):
    """There is no model that the night may use."""


@dataclass(frozen=True, slots=True)
class ModelRow:
    """A row of run_models."""

    family: str
    model_version: str
    trained_as_of_date: date
    promoted_as_of_date: date
    checkpoint_uri: str
    checkpoint_sha256: str
    data_sha256: str
    config_json: str
    mlflow_run_id: str
    run_id: str
    recorded_at_utc: datetime


def version_of(recipe: Recipe, data_sha256: str, settings: Settings, device: str) -> str:
    """Hash of everything that decides a model's bytes; 16 hexadecimal digits.

    Data, recipe, the family's code, seed and torch; and what decides in which order floats are
    added: processes, threads, device.
    """
    code_version = family_code_version(FAMILIES[recipe.family].module)
    order = [n_processes(), settings.training.n_threads, device]
    parts = [data_sha256, recipe.as_json(), code_version, settings.seed, torch.__version__, *order]
    return sha256_of(json.dumps(parts).encode())[:16]


def checkpoint_folder(family: str, model_version: str) -> str:
    """Where the checkpoint lies, relative to the lake."""
    return f"models/{family}/{model_version}"


def champion_of(night: Night) -> str:
    """The family that makes the night's lists.

    That of the newest promotion which the night may know of, among the families that the settings
    let compete; the settings' own where none was promoted yet. Every model is promoted when it is
    trained: by winning, by being the champion's, or by hand, when an operator trains it by name.
    """
    competing = {night.settings.training.family, *night.settings.training.challengers}
    promoted = [row for row in _rows(night) if row.family in competing and _is_known(row, night)]
    newest = max(
        promoted, key=lambda row: (row.promoted_as_of_date, row.recorded_at_utc), default=None
    )
    return newest.family if newest else night.settings.training.family


def challengers_of(night: Night, champion: str) -> list[str]:
    """Families that may replace the champion, in the order of the settings."""
    training = night.settings.training
    competing = dict.fromkeys((training.family, *training.challengers))  # each once
    return [name for name in competing if name != champion]


def find_usable(night: Night, family: str) -> ModelRow | None:
    """The newest model promoted by the night and not older than the setting allows.

    A model trained or promoted after `as_of` is never taken: a backfill must not know the future.
    """
    usable = [row for row in _rows(night) if row.family == family and _is_usable(row, night)]
    return max(usable, key=lambda row: (row.trained_as_of_date, row.recorded_at_utc), default=None)


def usable_model(night: Night, family: str) -> ModelRow:
    """As `find_usable`.

    Raises:
        NoModelError: there is none; says which rule and what to do.
    """
    found = find_usable(night, family)
    if found is None:
        raise NoModelError(
            f"{RUN_MODELS.name}: no {family} trained and promoted by {night.as_of} and at most "
            f"{night.settings.training.max_model_age_days} days old (training.max_model_age_days); "
            f"run: python -m training.train --as-of {night.as_of}"
        )
    return found


def add(night: Night, row: ModelRow) -> ModelRow:
    """Append the row unless the same version is there; returns the row that counts."""
    for known in _rows(night):
        if (known.family, known.model_version) == (row.family, row.model_version):
            return known
    values = {name: getattr(row, name) for name in RUN_MODELS.column_names}
    append(
        night.settings.lake,
        RUN_MODELS,
        pa.Table.from_pylist([values], schema=RUN_MODELS.arrow_schema),
    )
    return row


def _rows(night: Night) -> list[ModelRow]:
    ensure_table(night.settings.lake, RUN_MODELS)
    return [ModelRow(**row) for row in read_table(night.settings.lake, RUN_MODELS).to_pylist()]


def _is_usable(row: ModelRow, night: Night) -> bool:
    age_days = (night.as_of - row.trained_as_of_date).days
    return _is_known(row, night) and age_days <= night.settings.training.max_model_age_days


def _is_known(row: ModelRow, night: Night) -> bool:
    return row.trained_as_of_date <= night.as_of and row.promoted_as_of_date <= night.as_of
