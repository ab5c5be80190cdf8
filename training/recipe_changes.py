"""Compares the recipe of a model that a night reuses with the recipe of today's files.

A changed recipe is no reason to train while the model is young; a night that reuses it says so.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from training.artifacts import model_registry, upstream
from training.artifacts.model_registry import NoModelError
from training.config import load_recipe, recipe_from_json

if TYPE_CHECKING:
    from feature_store.settings import Night
    from training.artifacts.model_registry import ModelRow

TAKE_IT = "`--retrain always` takes it, or the first night that trains"


def changed_keys(row: ModelRow) -> list[str]:
    """Keys whose values differ between the model's recipe and today's, with both values.

    A key that is newer than the model counts with its default. A recipe that cannot be read is one
    entry that says why: a night that reuses a model does not need it.
    """
    try:
        learned = dict(_flat(dataclasses.asdict(recipe_from_json(row.config_json))))
        today = dict(_flat(dataclasses.asdict(load_recipe(row.training_task, row.family))))
    except ValueError as error:  # RecipeError, or no TOML
        return [f"it cannot be read: {error}"]
    return [
        f"{key} = {learned[key]} in the model, {value} now"
        for key, value in today.items()
        if learned[key] != value
    ]


def recipe_remarks(night: Night) -> list[str]:
    """A sentence for each task of the night whose model was trained by another recipe than today's.

    A task without a usable model has none.
    """
    remarks = []
    for task in night.settings.training.tasks:
        family = model_registry.champion_of(night, task)
        versions = upstream.versions_of_night(night, task, family)
        try:
            row = model_registry.usable_model(night, task, family, versions)
        except NoModelError:
            continue  # the night itself has said why, or had no data
        if changed := changed_keys(row):
            remarks.append(
                f"{task}: {family} {row.model_version} is reused, and its recipe has changed since "
                f"it was trained on {row.trained_as_of_date} ({'; '.join(changed)}); {TAKE_IT}"
            )
    return remarks


def _flat(section: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Values by dotted key."""
    for name, value in section.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
