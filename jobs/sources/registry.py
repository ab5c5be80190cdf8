"""Sources of `evensong ingest SOURCE PATH [--arrival-date DAY]`, by name."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import fields
from datetime import date, timedelta
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from feature_store.lake.storage import Storage
from jobs.sources.emobank import write_emobank
from jobs.sources.hetrec import write_hetrec
from jobs.sources.ingest_result import IngestResult
from jobs.sources.music_folder import write_music_folder
from jobs.sources.sample_world.options import SampleWorld, SampleWorldError
from jobs.sources.sample_world.writer import write_sample_world

Source = Callable[[Path, Storage, date], IngestResult]
"""(path, storage, arrival_date) → what the source wrote and left out."""


class SourceError(ValueError):
    """No source has this name."""


def find_source(name: str) -> Source:
    """The source registered as `name`.

    Raises:
        SourceError: no source has this name.
    """
    if name not in SOURCES:
        raise SourceError(f"no source is called {name!r}; there are {', '.join(SOURCES)}")
    return SOURCES[name]


def sample_world_from_toml(file: Path, last_day: date) -> SampleWorld:
    """The sample world with the options of a TOML file, ending on `last_day`.

    A `first_day` in the file overrides `last_day`.

    Raises:
        SampleWorldError: the file is missing or no TOML, or an option or its value is invalid.
    """
    options = _read_toml(file)
    known = {option.name for option in fields(SampleWorld)}
    if unknown := sorted(options.keys() - known):
        raise SampleWorldError(
            f"sample world {file}: option {unknown[0]!r} must be one of {', '.join(sorted(known))}"
        )
    try:
        world = TypeAdapter(SampleWorld).validate_python(options)
        first_day = last_day - timedelta(days=world.n_days - 1)
        return TypeAdapter(SampleWorld).validate_python({"first_day": first_day, **options})
    except ValidationError as error:
        first_error = error.errors()[0]
        raise SampleWorldError(
            f"sample world {file}: {'.'.join(map(str, first_error['loc']))}: "
            f"{first_error['msg']}, not {first_error['input']!r}; correct the file"
        ) from error


def _read_toml(file: Path) -> dict[str, object]:
    if not file.is_file():
        raise SampleWorldError(
            f"sample world {file}: must be a TOML file of options (an empty one will do)"
        )
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SampleWorldError(f"sample world {file}: must be TOML in UTF-8: {error}") from error


def _write_sample_world_from_toml(path: Path, storage: Storage, arrival_date: date) -> IngestResult:
    return write_sample_world(sample_world_from_toml(path, arrival_date), storage)


SOURCES: dict[str, Source] = {
    "sample-world": _write_sample_world_from_toml,
    "music-folder": write_music_folder,
    "hetrec": write_hetrec,
    "emobank": write_emobank,
}
