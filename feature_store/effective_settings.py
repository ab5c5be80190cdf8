"""Every setting with its value and where that value comes from, for `evensong settings`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic_settings import EnvSettingsSource

from feature_store.settings import (
    PREFIX,
    Settings,
    config_file,
    file_source,
    load_settings,
    without_password,
)

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class EffectiveSetting:
    """A setting as the commands of this process read it.

    Attributes:
        name: dotted, as in the file: lists.length.
        value: as JSON has it; a secret or a password is hidden.
        origin: the variable or the file that sets it; DEFAULT when none does.
    """

    name: str
    value: Any
    origin: str


def effective_settings() -> list[EffectiveSetting]:
    """Every setting, in the order of the classes.

    Raises:
        SettingsError: as in `load_settings`.
    """
    settings = load_settings()
    variables, file = EnvSettingsSource(Settings)(), file_source(Settings)()
    found = []
    for path, value in _leaves(settings):
        origins = [_variable_of(path)] if _has(variables, path) else []
        # A variable overrides the file, but the keys of a dict are merged.
        if _has(file, path) and (not origins or isinstance(value, dict)):
            origins.append(str(config_file()))
        found.append(
            EffectiveSetting(".".join(path), _shown(value), " and ".join(origins) or DEFAULT)
        )
    return found


def _leaves(group: BaseModel, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Path and value of every setting that is no group."""
    for name in type(group).model_fields:
        value = getattr(group, name)
        if isinstance(value, BaseModel):
            yield from _leaves(value, (*path, name))
        else:
            yield (*path, name), value


def _has(values: Any, path: tuple[str, ...]) -> bool:
    for name in path:
        if not isinstance(values, Mapping) or name not in values:
            return False
        values = values[name]
    return True


def _variable_of(path: tuple[str, ...]) -> str:
    """The variable that sets a setting: its own, those of a dict's keys, or that of its group."""
    names = {name.upper(): name for name in os.environ}
    own = PREFIX + "__".join(path).upper()
    if own in names:
        return names[own]
    keys = sorted(names[name] for name in names if name.startswith(f"{own}__"))
    groups = [PREFIX + "__".join(path[:length]).upper() for length in range(len(path) - 1, 0, -1)]
    return ", ".join(keys or [names[name] for name in groups if name in names])


def _shown(value: object) -> Any:
    """A value as JSON has it, without passwords."""
    if isinstance(value, SecretStr):
        return "(hidden)"
    if isinstance(value, Mapping):
        return {key: _shown(one) for key, one in value.items()}
    if isinstance(value, tuple):
        return [_shown(one) for one in value]
    return without_password(str(value)) if isinstance(value, str | Path | date) else value
