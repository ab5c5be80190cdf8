"""feat_tags: sentence embeddings of new tags, by the encoder of the lyrics.

The key is the hash of the tag's text. Each tag is encoded alone, so that its numbers depend on no
other tag. A tag without a letter ("1980") gets a row without an embedding and with the failure
reason.
"""

from __future__ import annotations

from functools import partial

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.lake.encoder_rows import EncoderIdentity
from feature_store.setting_groups import EncoderSettings
from feature_store.settings import Night
from feature_store.tables.core import CORE_TAGS
from feature_store.tables.features import FEAT_TAGS
from jobs.encoders import registry
from jobs.features.steps.incremental_encoding import Features, encode, not_yet_encoded
from jobs.inputs import History, WholeTable

INPUTS = (History(CORE_TAGS), WholeTable(FEAT_TAGS))
OUTPUT = FEAT_TAGS


def build(tag_events: DataFrame, encoded: DataFrame, *, night: Night) -> DataFrame:
    """Rows for the tags of `tag_events` that `encoded` lacks."""
    return encode_new(new_content(tag_events, encoded, night=night), night=night)


def new_content(tag_events: DataFrame, encoded: DataFrame, *, night: Night) -> DataFrame:
    """The tags of `tag_events` that `encoded` lacks: content_hash, tag, source."""
    identity = registry.tags_identity(night.settings.encoders)
    tags = tag_events.groupBy("tag", F.sha2("tag", 256).alias("content_hash")).agg(
        F.min("tag").alias("source")
    )
    return not_yet_encoded(tags, encoded, identity)


def encode_new(new: DataFrame, *, night: Night) -> DataFrame:
    """The rows of new tags."""
    encoders = night.settings.encoders
    identity = registry.tags_identity(encoders)
    featurise = partial(_tag_features, encoders, identity)
    return encode(new, OUTPUT, identity, featurise, night=night)


def _tag_features(
    encoders: EncoderSettings, identity: EncoderIdentity, _content_hash: str, tag: str | None
) -> Features:
    """The feature columns of one tag."""
    if tag is None:  # core_tags holds no row without a tag
        raise AssertionError
    return {"tag_embedding": registry.tag_encoder(encoders, identity).encode(tag)}
