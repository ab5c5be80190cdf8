"""The sources of `evensong ingest SOURCE PATH --option NAME=VALUE`, by name."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import date, timedelta
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from feature_store.storage import Storage
from jobs.sources.hetrec import write_hetrec
from jobs.sources.landed import Landed
from jobs.sources.music_folder import write_music_folder
from jobs.sources.sample.world import SampleWorld, SampleWorldError
from jobs.sources.sample_world import write_sample_world

Source = Callable[[Path, Storage, date, Mapping[str, str]], Landed]
"""(path, storage, arrival_date, options) → what was landed. Options are NAME=VALUE as typed."""


class SourceError(ValueError):
    """No source has this name, or a source has no such option."""


def source_called(name: str) -> Source:
    """The source of that name.

    Raises:
        SourceError: there is none.
    """
    if name not in SOURCES:
        raise SourceError(f"no source is called {name!r}; there are {', '.join(SOURCES)}")
    return SOURCES[name]


def _ingest_sample_world(
    path: Path, storage: Storage, arrival_date: date, options: Mapping[str, str]
) -> Landed:
    """`path` is a TOML file of SampleWorld's fields; the world's last day is `arrival_date`.

    `options` win over the file. A `first_day` in either wins over `arrival_date`.
    """
    return write_sample_world(world_from(path, arrival_date, options), storage)


def world_from(path: Path, arrival_date: date, options: Mapping[str, str]) -> SampleWorld:
    """The sample world that a TOML file and options describe, ending on `arrival_date`.

    Raises:
        SampleWorldError: the file is missing, or a name or a value is not one of SampleWorld.
    """
    chosen: dict[str, object] = {**_options_in(path), **options}
    known = {option.name for option in fields(SampleWorld)}
    if unknown := sorted(chosen.keys() - known):
        raise SampleWorldError(
            f"sample world {path}: option {unknown[0]!r} must be one of {', '.join(sorted(known))}"
        )
    try:
        world = TypeAdapter(SampleWorld).validate_python(chosen)
        first_day = arrival_date - timedelta(days=world.n_days - 1)
        return TypeAdapter(SampleWorld).validate_python({"first_day": first_day, **chosen})
    except ValidationError as error:
        found = error.errors()[0]
        raise SampleWorldError(
            f"sample world {path}: {'.'.join(map(str, found['loc']))}: {found['msg']}, "
            f"not {found['input']!r}"
        ) from error


def _options_in(path: Path) -> dict[str, object]:
    if not path.is_file():
        raise SampleWorldError(
            f"sample world {path}: must be a TOML file of options (an empty one will do)"
        )
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SampleWorldError(f"sample world {path}: must be TOML in UTF-8: {error}") from error


def _ingest_music_folder(
    path: Path, storage: Storage, arrival_date: date, options: Mapping[str, str]
) -> Landed:
    _refuse_options("music-folder", options)
    return write_music_folder(path, storage, arrival_date=arrival_date)


def _ingest_hetrec(
    path: Path, storage: Storage, arrival_date: date, options: Mapping[str, str]
) -> Landed:
    _refuse_options("hetrec", options)
    return write_hetrec(path, storage, arrival_date=arrival_date)


def _refuse_options(source: str, options: Mapping[str, str]) -> None:
    if options:
        raise SourceError(f"{source}: takes no options; leave out {', '.join(options)}")


SOURCES: dict[str, Source] = {
    "sample-world": _ingest_sample_world,
    "music-folder": _ingest_music_folder,
    "hetrec": _ingest_hetrec,
}
