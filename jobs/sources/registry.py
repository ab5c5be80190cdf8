"""The sources of `evensong ingest SOURCE PATH --arrival-date DAY`, by name."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import fields
from datetime import date, timedelta
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from feature_store.lake.storage import Storage
from jobs.sources.hetrec import write_hetrec
from jobs.sources.landed import Landed
from jobs.sources.music_folder import write_music_folder
from jobs.sources.sample_world.options import SampleWorld, SampleWorldError
from jobs.sources.sample_world.source import write_sample_world

Source = Callable[[Path, Storage, date], Landed]
"""(path, storage, arrival_date) → what was landed."""


class SourceError(ValueError):
    """No source has this name."""


def source_called(name: str) -> Source:
    """The source of that name.

    Raises:
        SourceError: there is none.
    """
    if name not in SOURCES:
        raise SourceError(f"no source is called {name!r}; there are {', '.join(SOURCES)}")
    return SOURCES[name]


def world_from(file: Path, last_day: date) -> SampleWorld:
    """The sample world whose options a TOML file has; it ends on `last_day`.

    A `first_day` in the file wins over `last_day`.

    Raises:
        SampleWorldError: the file is missing, or a name or a value is not one of SampleWorld.
    """
    chosen = _options_in(file)
    known = {option.name for option in fields(SampleWorld)}
    if unknown := sorted(chosen.keys() - known):
        raise SampleWorldError(
            f"sample world {file}: option {unknown[0]!r} must be one of {', '.join(sorted(known))}"
        )
    try:
        world = TypeAdapter(SampleWorld).validate_python(chosen)
        first_day = last_day - timedelta(days=world.n_days - 1)
        return TypeAdapter(SampleWorld).validate_python({"first_day": first_day, **chosen})
    except ValidationError as error:
        found = error.errors()[0]
        raise SampleWorldError(
            f"sample world {file}: {'.'.join(map(str, found['loc']))}: {found['msg']}, "
            f"not {found['input']!r}; correct the file"
        ) from error


def _options_in(file: Path) -> dict[str, object]:
    if not file.is_file():
        raise SampleWorldError(
            f"sample world {file}: must be a TOML file of options (an empty one will do)"
        )
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SampleWorldError(f"sample world {file}: must be TOML in UTF-8: {error}") from error


def _write_world_of_file(path: Path, storage: Storage, arrival_date: date) -> Landed:
    return write_sample_world(world_from(path, arrival_date), storage)


SOURCES: dict[str, Source] = {
    "sample-world": _write_world_of_file,
    "music-folder": write_music_folder,
    "hetrec": write_hetrec,
}
