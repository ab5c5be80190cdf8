"""feat_track_emotion: place every track on the valence-arousal plane, as heard and as read.

One row per track and source that has features; the two are never blended here, because a sad text
over happy music is a fact about the track and no noise. Interim estimators: see
jobs/encoders/emotion.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.settings import Night
from feature_store.tables.core import CORE_TRACKS
from feature_store.tables.features import FEAT_AUDIO, FEAT_LYRICS, FEAT_TRACK_EMOTION
from jobs.encoders import emotion, registry
from jobs.features.pending import of_encoder
from jobs.inputs import Everything, Known

INPUTS = (Known(CORE_TRACKS), Everything(FEAT_AUDIO), Everything(FEAT_LYRICS))
OUTPUT = FEAT_TRACK_EMOTION

_AUDIO_CUES = ("loudness_db", "tempo_bpm", "onset_rate_hz", "tag_probabilities")
_LYRICS_CUES = ("sentiment_compound", "emotional_load_ratio")
_ESTIMATES = "track_id string, valence double, arousal double, valence_sd double, arousal_sd double"


def build(tracks: DataFrame, audio: DataFrame, lyrics: DataFrame, *, night: Night) -> DataFrame:
    """At most two rows per track of `tracks`; content without features gives none."""
    encoders = night.settings.encoders
    heard = of_encoder(audio, registry.audio_identity(encoders))
    read = of_encoder(lyrics, registry.lyrics_identity(encoders))
    estimates = _estimates(
        _of_tracks(tracks, "audio_hash", heard, _AUDIO_CUES), "audio"
    ).unionByName(_estimates(_of_tracks(tracks, "lyrics_hash", read, _LYRICS_CUES), "lyrics"))
    return estimates.withColumn("as_of_date", F.lit(night.as_of)).select(*OUTPUT.column_names)


def _of_tracks(
    tracks: DataFrame, hash_column: str, features: DataFrame, cues: tuple[str, ...]
) -> DataFrame:
    """The cues of each track whose content could be encoded."""
    usable = features.where(F.col("failure_reason").isNull())
    contents = tracks.select("track_id", F.col(hash_column).alias("content_hash"))
    return contents.join(usable, on="content_hash", how="inner").select("track_id", *cues)


def _estimates(cues: DataFrame, source: str) -> DataFrame:
    """Valence and arousal of each row of cues."""
    estimate = _ESTIMATORS[source]

    def estimate_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            found = estimate(batch)
            columns = [
                batch["track_id"],
                found.valence,
                found.arousal,
                np.full(batch.num_rows, found.valence_sd),
                np.full(batch.num_rows, found.arousal_sd),
            ]
            yield pa.RecordBatch.from_arrays(
                [pa.array(column) for column in columns],
                ["track_id", "valence", "arousal", "valence_sd", "arousal_sd"],
            )

    estimated = cues.mapInArrow(estimate_batches, _ESTIMATES)
    return estimated.withColumn("emotion_source", F.lit(source))


def _as_heard(cues: pa.RecordBatch) -> emotion.Emotion:
    return emotion.as_heard(*(_numbers(cues, name) for name in _AUDIO_CUES))


def _as_read(cues: pa.RecordBatch) -> emotion.Emotion:
    return emotion.as_read(*(_numbers(cues, name) for name in _LYRICS_CUES))


def _numbers(cues: pa.RecordBatch, name: str) -> emotion.Floats:
    """A column as float64, (n,) or (n, length of its lists); NaN for null."""
    return np.array(cues[name].to_pylist(), dtype=np.float64)


_ESTIMATORS: dict[str, Callable[[pa.RecordBatch], emotion.Emotion]] = {
    "audio": _as_heard,
    "lyrics": _as_read,
}
