"""Recipes: configurations of families as frozen dataclasses, read from TOML files.

A file holds only what differs from the defaults of the dataclasses; a family without a file has the
defaults.
"""

from __future__ import annotations

import dataclasses
import json
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from training.engine.loop import LoopConfig
from training.evaluation.splits import SplitConfig
from training.models.registry import FAMILIES, ModelConfig

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

CONFIGS = Path(__file__).parent / "configs"

Section = TypeVar("Section", bound="DataclassInstance")


class RecipeError(ValueError):
    """A recipe names an unknown family, section or key, or a value of the wrong type."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides how a family is trained, except the data and the seed."""

    family: str
    model: ModelConfig
    loop: LoopConfig = field(default_factory=LoopConfig)
    split: SplitConfig = field(default_factory=SplitConfig)

    def as_json(self) -> str:
        """The whole recipe, defaults written out, keys sorted: what a model version hashes."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)


def load_recipe(family: str, folder: Path = CONFIGS) -> Recipe:
    """The recipe of a family: the defaults, changed by `<family>.toml` where there is one.

    Raises:
        RecipeError: no such family, an unknown section or key, or a value of the wrong type.
    """
    if family not in FAMILIES:
        raise RecipeError(
            f"family {family!r} is unknown; registered: {', '.join(sorted(FAMILIES))}"
        )
    path = folder / f"{family}.toml"
    sections = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return _recipe(family, path.name, sections)


def recipe_from_json(text: str) -> Recipe:
    """The recipe that `Recipe.as_json` wrote, with which a model was trained.

    Raises:
        RecipeError: it names a key that no longer exists.
    """
    values = json.loads(text)
    family = values.pop("family")
    return _recipe(family, "run_models.config_json", values)


def _recipe(family: str, file: str, sections: dict[str, dict[str, object]]) -> Recipe:
    if unknown := set(sections) - {"model", "loop", "split"}:
        raise RecipeError(f"{file}: unknown sections {sorted(unknown)}; use model, loop, split")
    return Recipe(
        family=family,
        model=_section(file, FAMILIES[family].config, sections.get("model", {})),
        loop=_section(file, LoopConfig, sections.get("loop", {})),
        split=_section(file, SplitConfig, sections.get("split", {})),
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
    return kind(**values)
