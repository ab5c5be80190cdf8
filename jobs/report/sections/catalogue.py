"""Catalogue section: covers and their colours, languages, emotion, tempo and loudness of tracks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from statistics import median
from typing import TYPE_CHECKING, cast

import numpy as np
import polars as pl

from feature_store.mood_plane import EMOTION_SOURCES
from feature_store.tables.core import CORE_TRACKS
from feature_store.tables.features import (
    FEAT_AUDIO,
    FEAT_COVER,
    FEAT_LYRICS,
    FEAT_TRACK_EMOTION,
)
from jobs.encoders.image.colour_space import rgb_of
from jobs.report.charts import Dot, Histogram, histogram, scatter
from jobs.report.sections.coverage import read_features
from jobs.report.tracks import TrackRef

if TYPE_CHECKING:
    from jobs.report.lake import RunView

PLANE_SIDE = 300.0

_WALL_COVERS = 48
_WALL_ROW = 12  # covers in a row on a wide screen
_MAX_COLOURS = 120
_MAX_LANGUAGES = 8
_OTHER_LANGUAGES, _UNKNOWN_LANGUAGE = "others", "unknown"
_MAX_DOTS = 500
_BINS = 18


@dataclass(frozen=True, slots=True)
class EmotionPlane:
    """Valence (x) and arousal (y) of tracks by one source, audio or lyrics.

    Attributes:
        n_tracks: all tracks with an estimate; `dots` holds at most `_MAX_DOTS` of them.
    """

    source: str
    n_tracks: int
    dots: tuple[Dot, ...]


@dataclass(frozen=True, slots=True)
class Distribution:
    """Histogram of an audio feature over the tracks that have it."""

    name: str
    unit: str
    n_tracks: int
    median: float
    chart: Histogram


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Content of the catalogue section.

    Attributes:
        n_tracks: available tracks.
        released_from: the earliest release day; None when no track has one.
        n_covers: distinct covers of available tracks; `cover_wall` shows a sample.
        colours: the most frequent colour of each of a sample of covers as #rrggbb, the darkest
            first.
        languages: ISO 639-1 code, "others" or "unknown", and its number of tracks with lyrics.
    """

    n_tracks: int
    n_withdrawn: int
    n_artists: int
    released_from: date | None
    released_to: date | None
    n_covers: int
    cover_wall: tuple[TrackRef, ...]
    colours: tuple[str, ...]
    languages: tuple[tuple[str, int], ...]
    planes: tuple[EmotionPlane, ...]
    distributions: tuple[Distribution, ...]


def read_catalogue(view: RunView) -> Catalogue:
    """Counts and charts of the tracks that are available on the run's day."""
    all_tracks = view.rows(CORE_TRACKS)
    tracks = all_tracks.filter("is_available")
    with_cover = tracks.filter(pl.col("cover_hash").is_not_null())
    distinct = with_cover.unique(subset=["cover_hash"], keep="first", maintain_order=True)
    return Catalogue(
        n_tracks=tracks.height,
        n_withdrawn=all_tracks.height - tracks.height,
        n_artists=tracks["artist_id"].n_unique(),
        released_from=cast("date | None", tracks["released_date"].min()),
        released_to=cast("date | None", tracks["released_date"].max()),
        n_covers=distinct.height,
        cover_wall=_cover_wall(distinct),
        colours=_colours(view, distinct),
        languages=_languages(view, tracks),
        planes=_planes(view, tracks),
        distributions=_distributions(view, tracks),
    )


def _cover_wall(distinct: pl.DataFrame) -> tuple[TrackRef, ...]:
    whole_rows = distinct.height // _WALL_ROW * _WALL_ROW
    limit = min(_WALL_COVERS, whole_rows or distinct.height)
    shown = _every_nth(distinct.sort("artist_id", "track_id"), limit)
    return tuple(TrackRef(*row) for row in shown.select("track_id", "title", "artist_name").rows())


def _colours(view: RunView, distinct: pl.DataFrame) -> tuple[str, ...]:
    features = read_features(view, FEAT_COVER, ["palette_lab"]).drop_nulls("palette_lab")
    described = distinct.join(
        features, how="inner", left_on="cover_hash", right_on="content_hash"
    ).sort("cover_hash")
    first = [palette[:3] for palette in _every_nth(described, _MAX_COLOURS)["palette_lab"]]
    by_lightness = sorted(map(tuple, first))
    return tuple("#" + bytes(rgb_of(np.array(lab))).hex() for lab in by_lightness)


def _languages(view: RunView, tracks: pl.DataFrame) -> tuple[tuple[str, int], ...]:
    """Most frequent first; a language without a place among them counts as another one."""
    features = read_features(view, FEAT_LYRICS, ["language", "line_count"])
    described = features.drop_nulls("line_count").with_columns(
        pl.col("language").fill_null(_UNKNOWN_LANGUAGE)
    )
    counted = (
        tracks.join(described, how="inner", left_on="lyrics_hash", right_on="content_hash")
        .group_by("language")
        .len()
        .sort(["len", "language"], descending=[True, False])
    )
    shown, further = counted.head(_MAX_LANGUAGES), counted.slice(_MAX_LANGUAGES)
    others = ((_OTHER_LANGUAGES, further["len"].sum()),) if further.height else ()
    return (*shown.iter_rows(), *others)


def _planes(view: RunView, tracks: pl.DataFrame) -> tuple[EmotionPlane, ...]:
    emotion = view.rows(FEAT_TRACK_EMOTION).join(
        tracks.select("track_id", "title", "artist_name"), on="track_id", how="inner"
    )
    planes = []
    for source in EMOTION_SOURCES:
        rows = emotion.filter(pl.col("emotion_source") == source).sort("track_id")
        shown = _every_nth(rows, _MAX_DOTS).select("valence", "arousal", "title", "artist_name")
        points = [(v, a, f"{title} · {artist}") for v, a, title, artist in shown.rows()]
        planes.append(EmotionPlane(source, rows.height, scatter(points, PLANE_SIDE)))
    return tuple(planes)


def _every_nth(rows: pl.DataFrame, limit: int) -> pl.DataFrame:
    """At most `limit` rows at equal distances: a sample without a random seed."""
    if rows.height <= limit:
        return rows
    return rows[[index * rows.height // limit for index in range(limit)]]


def _distributions(view: RunView, tracks: pl.DataFrame) -> tuple[Distribution, ...]:
    features = read_features(view, FEAT_AUDIO, ["tempo_bpm", "loudness_lufs"])
    encoded = tracks.join(features, how="inner", left_on="audio_hash", right_on="content_hash")
    distributions = (
        _distribution(encoded, "tempo_bpm", "Tempo", "bpm"),
        _distribution(encoded, "loudness_lufs", "Loudness", "LUFS"),
    )
    return tuple(distribution for distribution in distributions if distribution is not None)


def _distribution(encoded: pl.DataFrame, column: str, name: str, unit: str) -> Distribution | None:
    values = encoded[column].drop_nulls().to_list()
    if not values:
        return None
    return Distribution(name, unit, len(values), median(values), histogram(values, _BINS))
