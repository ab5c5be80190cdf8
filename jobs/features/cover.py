"""feat_cover: image embeddings and descriptors of new covers.

The tracks of an album mostly share one cover, so there are fewer rows than tracks. An image that
cannot be decoded gets a row without features and with the failure reason; one whose files are gone
gets no row, and is encoded when a file is back.
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
from feature_store.tables.features import FEAT_COVER
from jobs.encoders import registry
from jobs.encoders.content_decoding import decode_apart
from jobs.encoders.image import descriptors, image_file
from jobs.features.steps.incremental_encoding import (
    Features,
    encode,
    not_yet_encoded,
    read_content,
)
from jobs.inputs import AsOf, WholeTable

INPUTS = (AsOf(CORE_TRACKS), WholeTable(FEAT_COVER))
OUTPUT = FEAT_COVER


def build(tracks: DataFrame, encoded: DataFrame, *, night: Night) -> DataFrame:
    """Rows for the covers of `tracks` that `encoded` lacks."""
    return encode_new(new_content(tracks, encoded, night=night), night=night)


def new_content(tracks: DataFrame, encoded: DataFrame, *, night: Night) -> DataFrame:
    """The covers of `tracks` that `encoded` lacks: content_hash, source."""
    identity = registry.cover_identity(night.settings.encoders)
    images = (
        tracks.where(F.col("cover_hash").isNotNull())
        .groupBy(F.col("cover_hash").alias("content_hash"))
        .agg(F.array_sort(F.collect_set("cover_uri")).alias("source"))
    )
    return not_yet_encoded(images, encoded, identity)


def encode_new(new: DataFrame, *, night: Night) -> DataFrame:
    """The rows of new covers."""
    encoders = night.settings.encoders
    identity = registry.cover_identity(encoders)
    featurise = partial(_cover_features, night.settings.lake, encoders, identity)
    return encode(new, OUTPUT, identity, featurise, night=night)


def _cover_features(
    lake: str,
    encoders: EncoderSettings,
    identity: EncoderIdentity,
    content_hash: str,
    paths: list[str],
) -> Features:
    """The feature columns of one image."""
    content = read_content(lake, paths, content_hash, max_bytes=image_file.MAX_FILE_BYTES)
    encoder = registry.image_encoder(encoders, identity)
    pixels = decode_apart("image", content)  # once, for the encoder and the descriptors
    return {
        "cover_embedding": encoder.encode(pixels),
        **asdict(descriptors.measure(pixels)),
    }
