"""feat_audio: embedding, tag probabilities and signal measures of new recordings.

Two tracks with the same bytes share a row. A recording that cannot be decoded gets a row without
features and with the failure reason; it is not tried again until the preprocessing changes. One
whose files are gone gets no row, and is encoded when a file is back.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import partial

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.lake.encoder_rows import EncoderIdentity
from feature_store.setting_groups import EncoderSettings
from feature_store.settings import Night
from feature_store.tables.core import CORE_TRACKS
from feature_store.tables.features import FEAT_AUDIO
from jobs.encoders import registry
from jobs.encoders.audio import audio_file, signal
from jobs.encoders.content_decoding import decode_apart
from jobs.features.steps.incremental_encoding import (
    Features,
    encode,
    not_yet_encoded,
    read_content,
)
from jobs.inputs import AsOf, WholeTable

INPUTS = (AsOf(CORE_TRACKS), WholeTable(FEAT_AUDIO))
OUTPUT = FEAT_AUDIO


def build(tracks: DataFrame, encoded: DataFrame, *, night: Night) -> DataFrame:
    """Rows for the audio of `tracks` that `encoded` lacks."""
    encoders = night.settings.encoders
    identity = registry.audio_identity(encoders)
    recordings = (
        tracks.where(F.col("audio_hash").isNotNull())
        .groupBy(F.col("audio_hash").alias("content_hash"))
        .agg(F.array_sort(F.collect_set("audio_uri")).alias("source"))
    )
    new = not_yet_encoded(recordings, encoded, identity)
    featurise = partial(_audio_features, night.settings.lake, encoders, identity)
    return encode(new, OUTPUT, identity, featurise, night=night)


def _audio_features(
    lake: str,
    encoders: EncoderSettings,
    identity: EncoderIdentity,
    content_hash: str,
    paths: list[str],
) -> Features:
    """The feature columns of one recording."""
    content = read_content(lake, paths, content_hash, max_bytes=audio_file.MAX_FILE_BYTES)
    encoder = registry.audio_encoder(encoders, identity)
    max_audio_s, own_rate_hz = encoders.max_audio_s, encoder.sample_rate_hz
    samples = decode_apart("audio", content, max_audio_s)
    if own_rate_hz == audio_file.SAMPLE_RATE_HZ:
        encoding = encoder.encode(samples)
    else:
        encoding = encoder.encode(decode_apart("audio", content, max_audio_s, own_rate_hz))
    return {
        "audio_embedding": encoding.embedding,
        "tag_probabilities": encoding.tag_probabilities,
        **asdict(signal.measure(samples)),
    }
