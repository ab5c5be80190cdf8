"""The catalogue in pictures: covers, feeling, how fast and how loud the tracks are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from statistics import median
from typing import TYPE_CHECKING, cast

import polars as pl

from feature_store.tables.core import CORE_TRACKS
from feature_store.tables.features import EMOTION_SOURCES, FEAT_AUDIO, FEAT_TRACK_EMOTION
from jobs.report.charts import Dot, Histogram, histogram, plane
from jobs.report.sections.ingest import features_of

if TYPE_CHECKING:
    from jobs.report.lake import RunView

PLANE_SIDE = 300.0

_WALL_COVERS = 48
_WALL_ROW = 12  # covers in a row on a wide screen
_MAX_DOTS = 500
_BINS = 18


@dataclass(frozen=True, slots=True)
class TrackRef:
    """A track as the page names it."""

    track_id: str
    title: str
    artist_name: str


@dataclass(frozen=True, slots=True)
class EmotionPlane:
    """Valence to the right, arousal upwards; `tracks` counts also those that are not drawn."""

    source: str
    tracks: int
    dots: tuple[Dot, ...]


@dataclass(frozen=True, slots=True)
class Distribution:
    """A measure over all tracks whose audio could be heard."""

    name: str
    unit: str
    tracks: int
    median: float
    chart: Histogram


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The section "The catalogue".

    Attributes:
        released_from: the earliest release day; None when no track has one.
        covers: distinct covers among the available tracks, of which `wall` shows some.
    """

    tracks: int
    withdrawn: int
    artists: int
    released_from: date | None
    released_to: date | None
    covers: int
    wall: tuple[TrackRef, ...]
    planes: tuple[EmotionPlane, ...]
    distributions: tuple[Distribution, ...]


def catalogue_of(view: RunView) -> Catalogue:
    """The tracks that are available on the run's day; pictures only of what there is."""
    known = view.rows(CORE_TRACKS)
    tracks = known.filter("is_available")
    covered = tracks.filter(pl.col("cover_hash").is_not_null())
    distinct = covered.unique(subset=["cover_hash"], keep="first", maintain_order=True)
    return Catalogue(
        tracks=tracks.height,
        withdrawn=known.height - tracks.height,
        artists=tracks["artist_id"].n_unique(),
        released_from=cast("date | None", tracks["released_date"].min()),
        released_to=cast("date | None", tracks["released_date"].max()),
        covers=distinct.height,
        wall=_wall(distinct),
        planes=_planes(view, tracks),
        distributions=_distributions(view, tracks),
    )


def evenly(rows: pl.DataFrame, most: int) -> pl.DataFrame:
    """At most so many rows at equal distances: a sample without a seed."""
    if rows.height <= most:
        return rows
    return rows[[place * rows.height // most for place in range(most)]]


def _wall(distinct: pl.DataFrame) -> tuple[TrackRef, ...]:
    whole_rows = distinct.height // _WALL_ROW * _WALL_ROW
    most = min(_WALL_COVERS, whole_rows or distinct.height)
    shown = evenly(distinct.sort("artist_id", "track_id"), most)
    return tuple(TrackRef(*row) for row in shown.select("track_id", "title", "artist_name").rows())


def _planes(view: RunView, tracks: pl.DataFrame) -> tuple[EmotionPlane, ...]:
    felt = view.rows(FEAT_TRACK_EMOTION).join(
        tracks.select("track_id", "title", "artist_name"), on="track_id", how="inner"
    )
    planes = []
    for source in EMOTION_SOURCES:
        rows = felt.filter(pl.col("emotion_source") == source).sort("track_id")
        shown = evenly(rows, _MAX_DOTS).select("valence", "arousal", "title", "artist_name")
        points = [(v, a, f"{title} · {artist}") for v, a, title, artist in shown.rows()]
        planes.append(EmotionPlane(source, rows.height, plane(points, PLANE_SIDE)))
    return tuple(planes)


def _distributions(view: RunView, tracks: pl.DataFrame) -> tuple[Distribution, ...]:
    features = features_of(
        view, FEAT_AUDIO, view.night.settings.encoders.audio, ["tempo_bpm", "loudness_db"]
    )
    heard = tracks.join(features, how="inner", left_on="audio_hash", right_on="content_hash")
    found = (
        _distribution(heard, "tempo_bpm", "Tempo", "bpm"),
        _distribution(heard, "loudness_db", "Loudness", "dB"),
    )
    return tuple(distribution for distribution in found if distribution is not None)


def _distribution(heard: pl.DataFrame, column: str, name: str, unit: str) -> Distribution | None:
    values = heard[column].drop_nulls().to_list()
    if not values:
        return None
    return Distribution(name, unit, len(values), median(values), histogram(values, _BINS))
