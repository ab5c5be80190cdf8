"""Explanations of lists for a mood: how the track feels, and what of it the listener plays.

The words are those of the track's own cell, which may lie beside the list's. What follows is the
first that holds: the listener chose another track of that cell in the last days, or plays the
artist.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from feature_store.mood_plane import CELLS_PER_SIDE, mood_words
from jobs.recommendations.steps.reasons import played_artists

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from feature_store.settings import Night

NEAR_DAYS = 7
WITHOUT_MOOD = "Chosen for this mood"
"""Reason for a track that has no emotion."""

_CELL = "mood_cell"


def with_mood_reasons(
    lists: DataFrame,
    tracks: DataFrame,
    daily_listens: DataFrame,
    moods: DataFrame,
    listened: DataFrame,
    night: Night,
) -> DataFrame:
    """`lists` with reason_text, for example "Calm and happy, by an artist you play"."""
    cells = moods.select("track_id", _cell_number().alias(_CELL))
    pair = ["user_id", "track_id"]
    chosen = _chosen_lately(daily_listens, night).join(cells, on="track_id", how="inner")
    chosen_in_cell = chosen.groupBy("user_id", _CELL).agg(F.count("*").alias("chosen_in_cell"))
    facts = (
        lists.join(cells, on="track_id", how="left")
        .join(chosen_in_cell, on=["user_id", _CELL], how="left")
        .join(chosen.select(*pair, F.lit(1).alias("chosen_itself")), on=pair, how="left")
        .join(played_artists(listened, tracks), on=["user_id", "artist_id"], how="left")
    )
    return facts.select(*lists.columns, _reason_text().alias("reason_text"))


def _chosen_lately(daily_listens: DataFrame, night: Night) -> DataFrame:
    """Pairs (user_id, track_id), each once: tracks that a user chose in the last NEAR_DAYS days."""
    oldest = night.as_of - timedelta(days=NEAR_DAYS)
    is_chosen = (F.col("listened_date") > F.lit(oldest)) & (F.col("organic_count") > 0)
    return daily_listens.where(is_chosen).groupBy("user_id", "track_id").agg(F.lit(1).alias("one"))


def _reason_text() -> Column:
    cells = product(range(CELLS_PER_SIDE), repeat=2)
    words = {_number(*cell): mood_words(*cell).capitalize() for cell in cells}
    feels = F.create_map(*[F.lit(part) for item in words.items() for part in item])[F.col(_CELL)]
    others = F.col("chosen_in_cell") - F.coalesce("chosen_itself", F.lit(0))
    follows = (
        F.when(others > 0, f", near what you played in the last {NEAR_DAYS} days")
        .when(F.col("plays_artist"), ", by an artist you play")
        .otherwise("")
    )
    return F.when(F.col(_CELL).isNull(), WITHOUT_MOOD).otherwise(F.concat(feels, follows))


def _cell_number() -> Column:
    return F.col("valence_cell") * CELLS_PER_SIDE + F.col("arousal_cell")


def _number(valence_cell: int, arousal_cell: int) -> int:
    return valence_cell * CELLS_PER_SIDE + arousal_cell
