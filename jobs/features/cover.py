"""feat_cover: look at every cover that this encoder has not seen yet.

The tracks of an album mostly share one picture, so there are fewer rows than tracks. A picture that
cannot be read gets a row without features and with the reason.
"""

from __future__ import annotations

from functools import partial

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.settings import Night
from feature_store.tables.core import CORE_TRACKS
from feature_store.tables.features import FEAT_COVER
from jobs.encoders import registry
from jobs.features.steps.incremental_encoding import Features, encode, pending_content, read_content
from jobs.inputs import Everything, Known

INPUTS = (Known(CORE_TRACKS), Everything(FEAT_COVER))
OUTPUT = FEAT_COVER


def build(tracks: DataFrame, seen: DataFrame, *, night: Night) -> DataFrame:
    """Rows for the covers of `tracks` that `seen` lacks."""
    encoders = night.settings.encoders
    identity = registry.cover_identity(encoders)
    pictures = (
        tracks.where(F.col("cover_hash").isNotNull())
        .groupBy(F.col("cover_hash").alias("content_hash"))
        .agg(F.min("cover_uri").alias("source"))
    )
    pending = pending_content(pictures, seen, identity)
    look = partial(_look, night.settings.lake, encoders.cover)
    return encode(pending, OUTPUT, identity, look, night=night)


def _look(lake: str, encoder_id: str, content_hash: str, path: str | None) -> Features:
    """The feature columns of one picture."""
    content = read_content(lake, path, content_hash)
    return {"cover_embedding": registry.picture_encoder(encoder_id).encode(content)}
