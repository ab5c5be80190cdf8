"""hetrec: the HetRec 2011 Last.fm data set (Cantador, Brusilovsky and Kuflik, RecSys 2011).

An artist is a track here. Tags land as tags with their day, and as nothing else: a text made of
them would hide who gave them, and so tell of listens that an evaluation holds out. Listens are
counts and follows have no day in this data set, so they land as counts and undated follows; no time
is invented.

    artists.dat                id, name, url, pictureURL
    tags.dat                   tagID, tagValue (Latin-1)
    user_artists.dat           userID, artistID, weight (listens)
    user_friends.dat           userID, friendID (each friendship in both directions)
    user_taggedartists.dat     userID, artistID, tagID, day, month, year

390 of the tagged artists are not in artists.dat, and five tag days lie before 1980; both land as
they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa
import structlog

from feature_store.lake.storage import Storage
from feature_store.tables.raw import (
    RAW_FOLLOWS,
    RAW_LISTEN_COUNTS,
    RAW_TAGS,
    RAW_TRACKS,
    RAW_USERS,
)
from jobs.landing.manifests import LandingWriter
from jobs.sources.landed import Landed, landing_rows, landing_schema


class HetrecError(ValueError):
    """A file of the data set is missing, or a line of it is not what the data set's readme says."""


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of a file with its values in the order of the header that was asked for."""

    file: Path
    number: int  # as editors count, the header is line 1
    values: tuple[str, ...]

    def whole(self, place: int) -> int:
        """The value at `place` as a whole number."""
        if not self.values[place].isdecimal():
            raise self.error(f"value {self.values[place]!r} must be a whole number")
        return int(self.values[place])

    def error(self, rule: str) -> HetrecError:
        """What is wrong with this line."""
        return HetrecError(
            f"hetrec: {self.file} line {self.number}: {rule}; fetch the data set's file anew"
        )


def write_hetrec(folder: Path, storage: Storage, arrival_date: date) -> Landed:
    """Land the data set of `folder` as files of one day.

    Raises:
        HetrecError: a file, a column or a value is missing or malformed; names file and line.
    """
    counts = _listen_counts(folder)
    follows = _follows(folder)
    tags = list(_tags_given(folder))
    people = dict.fromkeys([str(row[0]) for row in (*counts, *follows)])
    users = [(user_id, None, False, False) for user_id in people]
    parts: dict[str, pa.Table] = {
        "users": landing_rows(landing_schema(RAW_USERS), users),
        "tracks": landing_rows(landing_schema(RAW_TRACKS), _tracks(folder)),
        "listen_counts": landing_rows(landing_schema(RAW_LISTEN_COUNTS), counts),
        "follows": landing_rows(landing_schema(RAW_FOLLOWS), follows),
        "tags": landing_rows(landing_schema(RAW_TAGS), tags),
    }
    writer = LandingWriter(storage)
    for source, rows in parts.items():
        writer.rows(source, arrival_date, rows, part="hetrec")
    landed = Landed({source: rows.num_rows for source, rows in parts.items()})
    structlog.get_logger().info("landed", source="hetrec", **landed.counts)
    return landed


def _tracks(folder: Path) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for line in _lines(folder / "artists.dat", ("id", "name")):
        artist_id, name = _track_id(line, 0), line.values[1]
        if not name.strip():
            raise line.error("column name must not be empty")
        unknown = (None,) * 6  # album id and title, release day, duration, ISRC, recording MBID
        rows.append((artist_id, name, artist_id, name, *unknown, True))
    return rows


def _listen_counts(folder: Path) -> list[tuple[object, ...]]:
    columns = ("userID", "artistID", "weight")
    return [
        (_user_id(line, 0), _track_id(line, 1), line.whole(2))
        for line in _lines(folder / "user_artists.dat", columns)
    ]


def _follows(folder: Path) -> list[tuple[object, ...]]:
    return [
        (_user_id(line, 0), _user_id(line, 1), None, True)
        for line in _lines(folder / "user_friends.dat", ("userID", "friendID"))
    ]


def _tags_given(folder: Path) -> Iterator[tuple[str, str, str, date]]:
    """Track, tag, user and day of each line."""
    tag_of_id = {
        line.values[0]: line.values[1]
        for line in _lines(folder / "tags.dat", ("tagID", "tagValue"), encoding="latin-1")
    }
    columns = ("userID", "artistID", "tagID", "day", "month", "year")
    for line in _lines(folder / "user_taggedartists.dat", columns):
        if line.values[2] not in tag_of_id:
            raise line.error(f"tagID {line.values[2]!r} must be one of tags.dat")
        tag = tag_of_id[line.values[2]]
        yield _track_id(line, 1), tag, _user_id(line, 0), _tagged_date(line)


def _tagged_date(line: _Line) -> date:
    try:
        return date(line.whole(5), line.whole(4), line.whole(3))
    except ValueError as error:
        raise line.error(f"day, month, year {line.values[3:]} must be a day ({error})") from error


def _track_id(line: _Line, place: int) -> str:
    return f"hetrec-artist-{line.whole(place)}"


def _user_id(line: _Line, place: int) -> str:
    return f"hetrec-user-{line.whole(place)}"


def _lines(file: Path, columns: tuple[str, ...], *, encoding: str = "utf-8") -> Iterator[_Line]:
    """The lines of a tab-separated file, each with the values of `columns`.

    Split at line feeds only: titles hold other signs that Python counts as line ends.
    """
    header, *rest = _text(file, encoding).rstrip("\n").split("\n")
    names = header.rstrip("\r").split("\t")
    if missing := [column for column in columns if column not in names]:
        raise HetrecError(
            f"hetrec: {file} line 1: column {missing[0]} must be in the header, which has {names}; "
            "fetch the data set's file anew"
        )
    places = [names.index(column) for column in columns]
    for number, text in enumerate(rest, start=2):
        values = text.rstrip("\r").split("\t")
        if len(values) != len(names):
            line = _Line(file, number, tuple(values))
            raise line.error(f"{len(values)} values must be {len(names)}, one for each column")
        yield _Line(file, number, tuple(values[place] for place in places))


def _text(file: Path, encoding: str) -> str:
    if not file.is_file():
        raise HetrecError(
            f"hetrec: {file}: file must exist; "
            "give the folder of the unpacked data set hetrec2011-lastfm-2k"
        )
    try:
        return file.read_bytes().decode(encoding)
    except UnicodeDecodeError as error:
        number = error.object[: error.start].count(b"\n") + 1
        raise HetrecError(
            f"hetrec: {file} line {number}: bytes must be {encoding} ({error.reason}); "
            "fetch the data set's file anew"
        ) from error
