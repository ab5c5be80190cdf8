"""The cues of the rule of feat_track_emotion, by Spark, and all else that fits need of a world."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.features.steps.emotion import audio_cues
from tests.benchmarks.support.audio_emotion.cue_fits import Heard, Values, descriptors_of

_READ = {
    "loudness_lufs": "double",
    "tempo_bpm": "double",
    "onset_rate_hz": "double",
    "tag_probabilities": "array<float>",
}
_LYRICS = {"valence": "sentiment_compound", "arousal": "emotional_load_ratio"}


def rule_cues(spark: SparkSession, rows: pl.DataFrame) -> dict[str, Values]:
    """Each cue of the rule, (n_rows,), in the order of the rows."""
    schema = ", ".join(["row int", *(f"{name} {kind}" for name, kind in _READ.items())])
    frame = spark.createDataFrame(rows.select(*_READ).with_row_index("row").rows(), schema)
    cues = audio_cues(*(F.col(name) for name in _READ))
    found = frame.select("row", *(cue.alias(name) for name, cue in cues.items())).collect()
    in_order = sorted(found, key=lambda one: int(one["row"]))
    return {name: np.array([float(one[name]) for one in in_order]) for name in cues}


def heard_of(rows: pl.DataFrame, cues: Mapping[str, Values]) -> Heard:
    """A world's rows (see HeardWorlds.heard) with their cues."""
    return Heard(
        cues=cues,
        descriptors=descriptors_of(rows, cues),
        moods={name: rows[name].to_numpy() for name in _LYRICS},
        lyrics={
            name: rows[column].cast(pl.Float64).fill_null(float("nan")).to_numpy()
            for name, column in _LYRICS.items()
        },
        genres=rows["genre"].to_numpy().astype(np.str_),
        artists=rows["artist_id"].to_numpy().astype(np.str_),
    )
