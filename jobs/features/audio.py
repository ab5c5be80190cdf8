"""feat_audio: listen to every recording that this encoder has not heard yet.

Two tracks with the same bytes share a row. A recording that cannot be decoded gets a row without
features and with the reason; it is not tried again until the preprocessing changes.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import partial

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.settings import Encoders, Night
from feature_store.tables.core import CORE_TRACKS
from feature_store.tables.features import FEAT_AUDIO
from jobs.encoders import registry
from jobs.encoders.audio import audio_file, signal
from jobs.features.steps.incremental_encoding import Features, encode, pending_content, read_content
from jobs.inputs import Everything, Known

INPUTS = (Known(CORE_TRACKS), Everything(FEAT_AUDIO))
OUTPUT = FEAT_AUDIO


def build(tracks: DataFrame, heard: DataFrame, *, night: Night) -> DataFrame:
    """Rows for the audio of `tracks` that `heard` lacks."""
    encoders = night.settings.encoders
    identity = registry.audio_identity(encoders)
    recordings = (
        tracks.where(F.col("audio_hash").isNotNull())
        .groupBy(F.col("audio_hash").alias("content_hash"))
        .agg(F.min("audio_uri").alias("source"))
    )
    pending = pending_content(recordings, heard, identity)
    hear = partial(_hear, night.settings.lake, encoders)
    return encode(pending, OUTPUT, identity, hear, night=night)


def _hear(lake: str, encoders: Encoders, content_hash: str, path: str | None) -> Features:
    """The feature columns of one recording."""
    content = read_content(lake, path, content_hash)
    samples = audio_file.decode(content, encoders.max_audio_s)
    music = registry.music_encoder(encoders.audio).encode(samples)
    return {
        "audio_embedding": music.embedding,
        "tag_probabilities": music.tag_probabilities,
        **asdict(signal.measure(samples)),
    }
