"""feat_track_emotion: place every track on the valence-arousal plane, as heard and as read.

One row per track and source that has features; the two are never blended here, because a sad text
over happy music is a fact about the track and no noise. Interim estimators: see
jobs/features/emotion.py.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.settings import Night
from feature_store.tables.core import CORE_TRACKS
from feature_store.tables.features import FEAT_AUDIO, FEAT_LYRICS, FEAT_TRACK_EMOTION
from jobs.encoders import registry
from jobs.features.emotion import Emotion, as_heard, as_read
from jobs.features.pending import of_encoder
from jobs.inputs import Everything, Known

INPUTS = (Known(CORE_TRACKS), Everything(FEAT_AUDIO), Everything(FEAT_LYRICS))
OUTPUT = FEAT_TRACK_EMOTION

_AUDIO_CUES = ("loudness_db", "tempo_bpm", "onset_rate_hz", "tag_probabilities")
_LYRICS_CUES = ("sentiment_compound", "emotional_load_ratio")


def build(tracks: DataFrame, audio: DataFrame, lyrics: DataFrame, *, night: Night) -> DataFrame:
    """At most two rows per track of `tracks`; content without features gives none."""
    encoders = night.settings.encoders
    heard = of_encoder(audio, registry.audio_identity(encoders))
    read = of_encoder(lyrics, registry.lyrics_identity(encoders))
    estimates = _estimates(
        _of_tracks(tracks, "audio_hash", heard, _AUDIO_CUES),
        "audio",
        as_heard(*(F.col(name) for name in _AUDIO_CUES)),
    ).unionByName(
        _estimates(
            _of_tracks(tracks, "lyrics_hash", read, _LYRICS_CUES),
            "lyrics",
            as_read(*(F.col(name) for name in _LYRICS_CUES)),
        )
    )
    return estimates.withColumn("as_of_date", F.lit(night.as_of)).select(*OUTPUT.column_names)


def _of_tracks(
    tracks: DataFrame, hash_column: str, features: DataFrame, cues: tuple[str, ...]
) -> DataFrame:
    """The cues of each track whose content could be encoded."""
    usable = features.where(F.col("failure_reason").isNull())
    contents = tracks.select("track_id", F.col(hash_column).alias("content_hash"))
    return contents.join(usable, on="content_hash", how="inner").select("track_id", *cues)


def _estimates(cues: DataFrame, source: str, estimate: Emotion) -> DataFrame:
    """Valence and arousal of each row of cues."""
    return cues.select(
        "track_id",
        F.lit(source).alias("emotion_source"),
        estimate.valence.alias("valence"),
        estimate.arousal.alias("arousal"),
        F.lit(estimate.valence_sd).alias("valence_sd"),
        F.lit(estimate.arousal_sd).alias("arousal_sd"),
    )
