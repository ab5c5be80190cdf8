"""feat_mood_plane: the night's map from valence and arousal to positions on the plane.

Quantiles are exact: values are rounded to steps of .00001 first, so Spark counts at most 200,001
different ones, and the order of rows changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from feature_store.mood_plane import (
    BOTH_SOURCES,
    DIMENSIONS,
    MIN_FITTED_TRACKS,
    N_KNOTS,
    VALUE_STEPS,
)
from feature_store.tables.core import CORE_TRACKS
from feature_store.tables.features import FEAT_MOOD_PLANE, FEAT_TRACK_EMOTION
from jobs.features.steps.mood_positions import place_tracks
from jobs.inputs import AsOf

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from feature_store.settings import Night

INPUTS = (AsOf(CORE_TRACKS), AsOf(FEAT_TRACK_EMOTION))
OUTPUT = FEAT_MOOD_PLANE

_KNOT_DECIMALS = 6
_SHARES = [step / (N_KNOTS - 1) for step in range(N_KNOTS)]


def build(tracks: DataFrame, emotions: DataFrame, *, night: Night) -> DataFrame:
    """Two rows for each source that an available track has, and two for both."""
    available = tracks.where("is_available").select("track_id")
    counted = emotions.join(available, on="track_id", how="left_semi")
    of_sources = _map(_values(counted, "emotion_source", DIMENSIONS))
    combined = place_tracks(counted, of_sources).withColumn("source", F.lit(BOTH_SOURCES))
    of_both = _map(_values(combined, "source", [f"{name}_combined" for name in DIMENSIONS]))
    return (
        of_sources.unionByName(of_both)
        .withColumn("as_of_date", F.lit(night.as_of))
        .select(*OUTPUT.column_names)
    )


def _values(rows: DataFrame, source: str, columns: list[str] | tuple[str, ...]) -> DataFrame:
    """(emotion_source, dimension, value): one row for each row and dimension.

    Args:
        rows: has the columns `source` and `columns`.
        source: column with the name of the source.
        columns: columns of the values, in the order of DIMENSIONS.
    """
    by_dimension = [
        F.struct(F.lit(dimension).alias("dimension"), F.col(column).alias("value"))
        for dimension, column in zip(DIMENSIONS, columns, strict=True)
    ]
    return rows.select(
        F.col(source).alias("emotion_source"), F.explode(F.array(*by_dimension)).alias("one")
    ).select("emotion_source", "one.*")


def _map(values: DataFrame) -> DataFrame:
    """(emotion_source, dimension, knots, is_fitted, track_count)."""
    # As NumPy rounds in positions_among: a value that equals a knot must stay equal to it.
    rounded = F.rint(F.col("value") * VALUE_STEPS) / VALUE_STEPS
    quantiles = F.transform(
        F.percentile(rounded, _SHARES), lambda knot: F.round(knot, _KNOT_DECIMALS)
    )
    is_fitted = F.col("track_count") >= MIN_FITTED_TRACKS
    return (
        values.groupBy("emotion_source", "dimension")
        .agg(F.count("*").alias("track_count"), quantiles.alias("quantiles"))
        .withColumn("is_fitted", is_fitted)
        .withColumn("knots", F.when(is_fitted, F.col("quantiles")).otherwise(_straight()))
        .drop("quantiles")
    )


def _straight() -> Column:
    """straight_knots of the row's source, as Spark makes them."""
    low = F.when(F.col("emotion_source") == BOTH_SOURCES, 0.0).otherwise(-1.0)
    steps = F.sequence(F.lit(0), F.lit(N_KNOTS - 1))
    return F.transform(
        steps, lambda step: F.round(low + (1.0 - low) * step / (N_KNOTS - 1), _KNOT_DECIMALS)
    )
