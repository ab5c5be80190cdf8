"""Reads recipes from TOML files: configurations of families as frozen dataclasses.

A file holds only what differs from the defaults of the dataclasses; a family without a file has the
defaults.
"""

from __future__ import annotations

import dataclasses
import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from training.engine.loop_config import LoopConfig
from training.engine.ranges import OutOfRangeError
from training.engine.recipe import Recipe
from training.tasks.registry import get_family, get_task

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

CONFIGS = Path(__file__).parent / "configs"

Section = TypeVar("Section", bound="DataclassInstance")


class RecipeError(ValueError):
    """A recipe has an unknown section or key, or a value of the wrong type or out of range."""


def load_recipe(task: str, family: str, folder: Path | None = None) -> Recipe:
    """The recipe of a family: the defaults, changed by `<task>/<family>.toml` where there is one.

    Args:
        task: a name in the registry of tasks.
        family: one of its families.
        folder: of the files; CONFIGS when left out.

    Raises:
        UnknownTaskError, UnknownFamilyError: there is no such task, or it has no such family.
        RecipeError: an unknown section or key, or a value of the wrong type or out of range.
    """
    get_family(task, family)
    path = (folder or CONFIGS) / task / f"{family}.toml"
    sections = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return _recipe(task, family, f"{task}/{path.name}", sections)


def recipe_from_json(text: str) -> Recipe:
    """The recipe that `Recipe.as_json` wrote, with which a model was trained.

    Raises:
        UnknownTaskError, UnknownFamilyError: the task or the family no longer exists.
        RecipeError: it names a key that no longer exists, or a value that is no longer in range.
    """
    values = json.loads(text)
    task, family = values.pop("task"), values.pop("family")
    return _recipe(task, family, "run_models.config_json", values)


def _recipe(task: str, family: str, file: str, sections: dict[str, dict[str, object]]) -> Recipe:
    if unknown := set(sections) - {"model", "loop", "batching"}:
        raise RecipeError(f"{file}: unknown sections {sorted(unknown)}; use model, loop, batching")
    return Recipe(
        task=task,
        family=family,
        model=_section(file, get_family(task, family).config, sections.get("model", {})),
        batching=_section(file, get_task(task).batching, sections.get("batching", {})),
        loop=_section(file, LoopConfig, sections.get("loop", {})),
    )


def _section(file: str, kind: type[Section], values: dict[str, Any]) -> Section:
    """`kind` with the checked values of a section; an int may stand for a float."""
    defaults = {item.name: item.default for item in dataclasses.fields(kind)}
    for key, value in values.items():
        if key not in defaults:
            raise RecipeError(
                f"{file}: {kind.__name__} has no {key!r}; it has {sorted(defaults)}; correct the "
                "file, or train a model of an earlier layout again (--retrain always)"
            )
        default = defaults[key]
        expected = (int, float) if isinstance(default, float) else (type(default),)
        is_other_kind = isinstance(value, bool) != isinstance(default, bool)
        if is_other_kind or not isinstance(value, expected):
            raise RecipeError(
                f"{file}: {key} = {value!r} is no {expected[-1].__name__}; correct the value"
            )
    try:
        return kind(**values)
    except OutOfRangeError as error:
        raise RecipeError(f"{file}: {error}") from error
