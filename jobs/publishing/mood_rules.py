"""Rule about the plane of emotions: no row or column of its cells may be almost empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from feature_store.mood_plane import CELLS_PER_SIDE, DIMENSIONS
from feature_store.publishing.gates import GateMetric
from feature_store.tables.features import FEAT_TRACK_MOOD

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from feature_store.settings import Night

MIN_JUDGED_TRACKS = 100


def mood_cell_ratio(
    moods: DataFrame, tracks: DataFrame, of_moods: DataFrame, night: Night
) -> GateMetric:
    """Share of the available tracks with a mood in the emptiest row or column of cells.

    1 where nothing can be judged: with fewer than MIN_JUDGED_TRACKS such tracks, or without lists,
    which alone show cells to anybody. Example: of 200 tracks 10 are calm (arousal_cell 0) and every
    other row and column has more: .05.

    Args:
        moods: feat_track_mood as of the night.
        tracks: core_tracks as of the night.
        of_moods: the staged rec_mood.
        night: gives the threshold.
    """
    available = moods.join(
        tracks.where("is_available").select("track_id"), on="track_id", how="left_semi"
    )
    counts = [
        F.count_if(F.col(f"{dimension}_cell") == cell).alias(f"{dimension} {cell}")
        for dimension in DIMENSIONS
        for cell in range(CELLS_PER_SIDE)
    ]
    totals = available.agg(F.count("*").alias("tracks"), *counts).first()
    if totals is None:  # an aggregate without groups always has its one row
        raise AssertionError
    n_tracks = totals["tracks"]
    by_cells = {name: count for name, count in totals.asDict().items() if name != "tracks"}
    emptiest = min(by_cells, key=lambda name: by_cells[name])
    is_judged = n_tracks >= MIN_JUDGED_TRACKS and not of_moods.isEmpty()
    return GateMetric(
        "mood_cell_ratio",
        FEAT_TRACK_MOOD.name,
        by_cells[emptiest] / n_tracks if is_judged else 1.0,
        low=night.settings.gates.min_mood_cell_ratio,
        examples=f"{emptiest}: {by_cells[emptiest]} of {n_tracks} tracks" if is_judged else "",
    )
