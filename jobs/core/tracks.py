"""core_tracks: versions of catalogue tracks, one row per day on which metadata or content changed.

A row holds the newest metadata, audio, lyrics and cover up to its day; of several on one day the
last received counts, of audio files and covers the last that landed, whatever their names are. A
catalogue row changes what it names and leaves the rest. Content that
arrives before its track waits for the track, so the job reads the whole history of the catalogue:
the audio of a new track may have arrived weeks ago.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.settings import Night
from feature_store.tables.core import CORE_TRACKS
from feature_store.tables.raw import (
    RAW_AUDIO,
    RAW_COVERS,
    RAW_LYRICS,
    RAW_TRACKS,
    REQUIRED_OF_TRACKS,
)
from jobs.core.steps.deduplication import keep_last_landed, keep_last_received
from jobs.core.steps.match_keys import match_key_column
from jobs.core.steps.partial_updates import filled_forward, last_given_of_day
from jobs.core.steps.versions import new_versions
from jobs.inputs import History, PreviousState

INPUTS = (
    History(RAW_TRACKS),
    History(RAW_AUDIO),
    History(RAW_LYRICS),
    History(RAW_COVERS),
    PreviousState(CORE_TRACKS),
)
OUTPUT = CORE_TRACKS

_KEY = ("track_id", "known_from_date")
_METADATA = tuple(
    name for name in RAW_TRACKS.column_names if name in OUTPUT.column_names and name != "track_id"
)


def build(
    tracks: DataFrame,
    audio: DataFrame,
    lyrics: DataFrame,
    covers: DataFrame,
    previous: DataFrame,
    *,
    night: Night,  # noqa: ARG001  every job takes it
) -> DataFrame:
    """The versions of the slice; a row that repeats the known state makes no version."""
    changes = [
        last_given_of_day(tracks, "track_id", _METADATA),
        _last_of_day(
            audio,
            "audio",
            {"content_hash": "audio_hash", "file_uri": "audio_uri"},
            keep_last_landed,
        ),
        _last_of_day(lyrics, "lyrics", {"content_hash": "lyrics_hash"}, keep_last_received),
        _last_of_day(
            covers,
            "cover",
            {"content_hash": "cover_hash", "file_uri": "cover_uri"},
            keep_last_landed,
        ),
    ]
    versions = new_versions(_states(changes), previous, OUTPUT.entity)
    # After new_versions, because match keys take Python: only new rows pay for it.
    return versions.withColumns(
        {
            "artist_match_key": match_key_column("artist_name"),
            "title_match_key": match_key_column("title"),
        }
    ).select(*OUTPUT.column_names)


def _last_of_day(
    rows: DataFrame,
    part: str,
    columns: dict[str, str],
    keep_last: Callable[[DataFrame, Sequence[str]], DataFrame],
) -> DataFrame:
    """The last row of each track and day, its columns as a struct called `part`."""
    dated = rows.withColumn("known_from_date", F.col("arrival_date"))
    values = F.struct(*[F.col(name).alias(alias) for name, alias in columns.items()])
    return keep_last(dated, ["track_id", "known_from_date"]).select(
        "track_id", "known_from_date", values.alias(part)
    )


def _states(changes: list[DataFrame]) -> DataFrame:
    """The whole state of every catalogue track on every day on which a part of it arrived."""
    parts = [name for frame in changes for name in frame.columns if name not in _KEY]
    all_changes = reduce(
        lambda above, below: above.unionByName(below, allowMissingColumns=True), changes
    )
    daily = all_changes.groupBy(*_KEY).agg(
        *[F.max(part).alias(part) for part in parts]  # a day has one of each part at most
    )
    states = filled_forward(daily, "track_id", parts)
    is_complete = reduce(
        lambda one, other: one & other, [F.col(name).isNotNull() for name in REQUIRED_OF_TRACKS]
    )
    # A track may be played unless its source says otherwise.
    available = F.coalesce("is_available", F.expr("true"))
    return (
        states.where(is_complete)
        .withColumn("is_available", available)
        .select(*_KEY, *_METADATA, *[f"{part}.*" for part in parts if part not in _METADATA])
    )
