"""hetrec: the HetRec 2011 Last.fm data set (Cantador, Brusilovsky and Kuflik, RecSys 2011).

Each artist lands as a track. Tags land as tags with their day and never as lyrics: a text joined
from tags would hide its taggers and leak listens that an evaluation holds out. The data set has
listen counts and undated follows, so both land without a time.

    artists.dat                id, name, url, pictureURL
    tags.dat                   tagID, tagValue (Latin-1)
    user_artists.dat           userID, artistID, weight (listens)
    user_friends.dat           userID, friendID (each friendship in both directions)
    user_taggedartists.dat     userID, artistID, tagID, day, month, year

390 tagged artists are not in artists.dat, and five tag days lie before 1980; both land unchanged.
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
from jobs.landing.writer import LandingWriter
from jobs.sources.ingest_result import IngestResult
from jobs.sources.landing_rows import landing_schema, landing_table
from jobs.sources.landing_tally import result_of


class HetrecError(ValueError):
    """A file of the data set is missing, or a line differs from the data set's readme."""


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of a file, with its values in the order of the requested columns."""

    file: Path
    number: int  # the header is line 1
    values: tuple[str, ...]

    def integer(self, position: int) -> int:
        """The value at `position` as an integer."""
        if not self.values[position].isdecimal():
            raise self.error(f"value {self.values[position]!r} must be a whole number")
        return int(self.values[position])

    def error(self, rule: str) -> HetrecError:
        """The error that names this line and the rule that it breaks."""
        return HetrecError(
            f"hetrec: {self.file} line {self.number}: {rule}; download the data set again"
        )


def write_hetrec(folder: Path, storage: Storage, arrival_date: date) -> IngestResult:
    """Land the data set in `folder` as files of one day.

    Raises:
        HetrecError: a file, column or value is missing or malformed; names file and line.
    """
    counts = _listen_counts(folder)
    follows = _follows(folder)
    tags = list(_tag_assignments(folder))
    user_ids = dict.fromkeys([str(row[0]) for row in (*counts, *follows)])
    users = [(user_id, None, False, False) for user_id in user_ids]
    tables: dict[str, pa.Table] = {
        "users": landing_table(landing_schema(RAW_USERS), users),
        "tracks": landing_table(landing_schema(RAW_TRACKS), _tracks(folder)),
        "listen_counts": landing_table(landing_schema(RAW_LISTEN_COUNTS), counts),
        "follows": landing_table(landing_schema(RAW_FOLLOWS), follows),
        "tags": landing_table(landing_schema(RAW_TAGS), tags),
    }
    writer = LandingWriter(storage)
    for source, rows in tables.items():
        writer.write_rows(source, arrival_date, rows, part="hetrec")
    result = result_of(writer, tables)
    structlog.get_logger().info("landed", source="hetrec", **result.counts)
    return result


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
        (_user_id(line, 0), _track_id(line, 1), line.integer(2))
        for line in _lines(folder / "user_artists.dat", columns)
    ]


def _follows(folder: Path) -> list[tuple[object, ...]]:
    return [
        (_user_id(line, 0), _user_id(line, 1), None, True)
        for line in _lines(folder / "user_friends.dat", ("userID", "friendID"))
    ]


def _tag_assignments(folder: Path) -> Iterator[tuple[str, str, str, date]]:
    """Track id, tag, user id and day of each line of user_taggedartists.dat."""
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
        return date(line.integer(5), line.integer(4), line.integer(3))
    except ValueError as error:
        raise line.error(f"day, month, year {line.values[3:]} must be a day ({error})") from error


def _track_id(line: _Line, position: int) -> str:
    return f"hetrec-artist-{line.integer(position)}"


def _user_id(line: _Line, position: int) -> str:
    return f"hetrec-user-{line.integer(position)}"


def _lines(file: Path, columns: tuple[str, ...], *, encoding: str = "utf-8") -> Iterator[_Line]:
    """Lines of a tab-separated file, each with the values of `columns`.

    Lines end at line feeds only: names hold other characters that str.splitlines() splits at.
    """
    header, *rest = _read_text(file, encoding).rstrip("\n").split("\n")
    names = header.rstrip("\r").split("\t")
    if missing := [column for column in columns if column not in names]:
        raise HetrecError(
            f"hetrec: {file} line 1: column {missing[0]} must be in the header, which has {names}; "
            "download the data set again"
        )
    positions = [names.index(column) for column in columns]
    for number, text in enumerate(rest, start=2):
        values = text.rstrip("\r").split("\t")
        if len(values) != len(names):
            line = _Line(file, number, tuple(values))
            raise line.error(f"{len(values)} values must be {len(names)}, one for each column")
        yield _Line(file, number, tuple(values[position] for position in positions))


def _read_text(file: Path, encoding: str) -> str:
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
            "download the data set again"
        ) from error
