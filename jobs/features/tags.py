"""feat_tags: read every tag that this encoder has not read yet.

A tag is told apart by the hash of its text, as lyrics are, and read by the lyrics' encoder. Each is
read by itself, so that its numbers depend on no other tag. One without a letter ("1980") gets a row
without a vector and with the reason.
"""

from __future__ import annotations

from functools import partial

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.settings import Night
from feature_store.tables.core import CORE_TAGS
from feature_store.tables.features import FEAT_TAGS
from jobs.encoders import registry
from jobs.features.steps.incremental_encoding import Features, encode, pending_content
from jobs.inputs import Everything, History

INPUTS = (History(CORE_TAGS), Everything(FEAT_TAGS))
OUTPUT = FEAT_TAGS


def build(given: DataFrame, read: DataFrame, *, night: Night) -> DataFrame:
    """Rows for the tags of `given` that `read` lacks."""
    encoders = night.settings.encoders
    identity = registry.lyrics_identity(encoders)
    tags = given.groupBy("tag", F.sha2("tag", 256).alias("content_hash")).agg(
        F.min("tag").alias("source")
    )
    pending = pending_content(tags, read, identity)
    return encode(pending, OUTPUT, identity, partial(_read, encoders.lyrics), night=night)


def _read(encoder_id: str, _content_hash: str, tag: str | None) -> Features:
    """The feature columns of one tag."""
    if tag is None:  # core_tags holds no row without a tag
        raise AssertionError
    return {"tag_embedding": registry.text_encoder(encoder_id).encode(tag)}
