"""feat_audio: embedding, tag probabilities and descriptors of new recordings; feat_mel with it.

A recording is read and decoded once for both tables. Two tracks with the same bytes share a row. A
recording that cannot be decoded gets a row without features and with the failure reason; it is not
tried again until the preprocessing changes. One whose files are gone gets no row, and is encoded
when a file is back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.lake.encoder_rows import EncoderIdentity
from feature_store.setting_groups import EncoderSettings
from feature_store.settings import Night
from feature_store.tables.core import CORE_TRACKS
from feature_store.tables.features import FEAT_AUDIO, FEAT_MEL
from jobs.encoders import registry
from jobs.encoders.audio.decoding import audio_file
from jobs.encoders.audio.decoding.recording import Recording
from jobs.encoders.audio.descriptors import signal
from jobs.encoders.audio.spectrograms import htcl_mel
from jobs.encoders.content_decoding import decode_all_apart
from jobs.features.steps.incremental_encoding import Features, read_content
from jobs.features.steps.several_outputs import Identities, encode_several, lacking
from jobs.inputs import AsOf, WholeTable

INPUTS = (AsOf(CORE_TRACKS), WholeTable(FEAT_AUDIO), WholeTable(FEAT_MEL))
OUTPUTS = (FEAT_AUDIO, FEAT_MEL)


def build(tracks: DataFrame, audio: DataFrame, mel: DataFrame, *, night: Night) -> DataFrame:
    """Rows for the audio of `tracks` that `audio` and `mel` lack, a struct column a table."""
    return encode_new(new_content(tracks, audio, mel, night=night), night=night)


def new_content(tracks: DataFrame, audio: DataFrame, mel: DataFrame, *, night: Night) -> DataFrame:
    """The recordings of `tracks` that `audio` or `mel` lacks: content_hash, source, lacking."""
    recordings = (
        tracks.where(F.col("audio_hash").isNotNull())
        .groupBy(F.col("audio_hash").alias("content_hash"))
        .agg(F.array_sort(F.collect_set("audio_uri")).alias("source"))
    )
    return lacking(
        recordings, {FEAT_AUDIO: audio, FEAT_MEL: mel}, _identities(night.settings.encoders)
    )


def encode_new(new: DataFrame, *, night: Night) -> DataFrame:
    """The rows of new recordings."""
    encoders = night.settings.encoders
    identity = registry.audio_identity(encoders)
    featurise = partial(_features, night.settings.lake, encoders, identity)
    return encode_several(new, _identities(encoders), featurise, night=night)


def _identities(encoders: EncoderSettings) -> Identities:
    """The encoder of each output; feat_mel has none where the settings do not want it."""
    return {
        FEAT_AUDIO: registry.audio_identity(encoders),
        FEAT_MEL: registry.mel_identity(encoders),
    }


def _features(
    lake: str,
    encoders: EncoderSettings,
    identity: EncoderIdentity,
    content_hash: str,
    paths: list[str],
) -> Mapping[str, Callable[[], Features]]:
    """What makes the feature columns of one recording, by table."""
    content = read_content(lake, paths, content_hash, max_bytes=audio_file.MAX_FILE_BYTES)
    encoder = registry.audio_encoder(encoders, identity)
    first_s = htcl_mel.CLIP_S if encoders.audio_mel else 0.0
    excerpts = first_s, encoders.max_audio_s, encoders.audio_windows
    decoded = decode_all_apart("recording", content, encoder.sample_rate_hz, *excerpts)
    recording = Recording.of(decoded)
    return {
        FEAT_AUDIO.name: partial(_audio_features, recording, encoder),
        FEAT_MEL.name: partial(_mel_features, recording),
    }


def _audio_features(recording: Recording, encoder: registry.AudioEncoder) -> Features:
    encoding = encoder.encode(recording.encoder_windows)
    return {
        "audio_embedding": encoding.embedding,
        "audio_embedding_max": encoding.embedding_max,
        "tag_probabilities": encoding.tag_probabilities,
        "tag_probabilities_max": encoding.tag_probabilities_max,
        "loudness_lufs": recording.loudness.integrated_lufs,
        "loudness_range_lu": recording.loudness.range_lu,
        "true_peak_dbtp": recording.loudness.true_peak_dbtp,
        **asdict(signal.measure(recording.windows)),
    }


def _mel_features(recording: Recording) -> Features:
    log_mel, frame_count = htcl_mel.clip_features(recording.first)
    return {"log_mel": log_mel, "mel_frame_count": frame_count}
