"""Checks of the EVENSONG_ variables that pydantic-settings does not make.

It ignores a variable that names no setting, lets one of two spellings win, and reports JSON that
does not parse by the name of the outermost group.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from pydantic import BaseModel
from pydantic_settings import EnvSettingsSource


class SettingsError(ValueError):
    """A setting is unknown or has an impossible value."""


def check_variables(
    variables: Mapping[str, str], source: EnvSettingsSource, others: Iterable[str]
) -> None:
    """Refuse variables that pydantic-settings would ignore, override or not name.

    Args:
        variables: the environment.
        source: the source that will read the variables.
        others: variables with the prefix that are no settings.

    Raises:
        SettingsError: names the variable and the next step.
    """
    prefix, settings = source.env_prefix, source.settings_cls
    ours = {name: value for name, value in variables.items() if name.upper().startswith(prefix)}
    names = {prefix + name.upper() for name in settings.model_fields} | set(others)
    by_spelling = defaultdict(list)
    for variable in sorted(ours):
        by_spelling[variable.upper()].append(variable)
        if variable.upper().split("__")[0] not in names:
            raise SettingsError(
                f"settings: the variable {variable} names no setting; known: "
                f"{', '.join(sorted(names))}"
            )
    for spellings in by_spelling.values():
        if len(spellings) > 1:
            raise SettingsError(
                f"settings: {' and '.join(spellings)} are the same setting; unset all but one"
            )
    for path in _json_paths(settings, source):
        upper = prefix + "__".join(path).upper()
        for variable in by_spelling.get(upper, []):
            _check_json(variable, ours[variable])
            if inner := [name for name in by_spelling if name.startswith(f"{upper}__")]:
                raise SettingsError(
                    f"settings: {variable} holds a whole group and {by_spelling[inner[0]][0]} a "
                    "setting of it, which would be ignored; put all into one of them"
                )


def _check_json(variable: str, value: str) -> None:
    """Refuse text that is no JSON, without showing it: a group may hold a secret."""
    try:
        json.loads(value)
    except json.JSONDecodeError as error:
        raise SettingsError(
            f"settings: the variable {variable} takes JSON, and its value is none: {error.msg} at "
            f'character {error.pos + 1}; write a list as ["a", "b"] and a mapping as {{"a": "b"}}'
        ) from error


def _json_paths(
    group: type[BaseModel], source: EnvSettingsSource, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, ...]]:
    """Path of every group, list and mapping; their variables take JSON."""
    for name, field in group.model_fields.items():
        inner = (*path, name)
        if source.field_is_complex(field):
            yield inner
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _json_paths(field.annotation, source, inner)
