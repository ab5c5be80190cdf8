"""feat_track_tags: what people call a track, as one vector.

The mean of the tags' vectors, each weighted by how many gave the track that tag: what one person
wrote moves it a little, what hundreds agree on carries it.
"""

from __future__ import annotations

from dataclasses import asdict

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from feature_store.settings import Night
from feature_store.tables.core import CORE_TAGS, CORE_TRACKS
from feature_store.tables.features import FEAT_TAGS, FEAT_TRACK_TAGS
from jobs.core.steps.tag_counts import tagger_counts
from jobs.encoders import registry
from jobs.features.steps.incremental_encoding import of_encoder
from jobs.inputs import Everything, History, Known

INPUTS = (History(CORE_TAGS), Known(CORE_TRACKS), Everything(FEAT_TAGS))
OUTPUT = FEAT_TRACK_TAGS

_DECIMALS = 6


def build(tags: DataFrame, tracks: DataFrame, read: DataFrame, *, night: Night) -> DataFrame:
    """One row for each announced track with a tag that this encoder could read."""
    identity = registry.lyrics_identity(night.settings.encoders)
    vectors = (
        of_encoder(read, identity)
        .where(F.col("tag_embedding").isNotNull())
        .select("tag", "tag_embedding")
    )
    # Inner: a tag without a vector says nothing, and does not weigh either.
    counted = tagger_counts(tags, tracks, at_least=night.settings.graph.min_tagger_count)
    weighed = counted.join(vectors, on="tag", how="inner")
    in_order = F.array_sort(F.collect_list(F.struct("tag", "tagger_count", "tag_embedding")))
    return (
        weighed.groupBy("track_id")
        .agg(in_order.alias("tags"), F.sum("tagger_count").alias("taggers"))
        .withColumn("mean_tag_embedding", _weighted_mean(F.col("tags"), F.col("taggers")))
        .withColumns({name: F.lit(value) for name, value in asdict(identity).items()})
        .withColumn("as_of_date", F.lit(night.as_of))
        .select(*OUTPUT.column_names)
    )


def _weighted_mean(tags: Column, weight_sum: Column) -> Column:
    """Sum of tagger_count x tag_embedding over weight_sum, added up in the order of `tags`.

    Sums of floats depend on the order, so the order is part of the contract.
    """
    zeros = F.transform(tags[0]["tag_embedding"], lambda _: F.lit(0.0))
    total = F.aggregate(tags, zeros, _plus)
    return F.transform(total, lambda summed: F.round(summed / weight_sum, _DECIMALS).cast("float"))


def _plus(total: Column, tag: Column) -> Column:
    """`total` and one tag's vector times its taggers, number by number."""
    return F.zip_with(
        total,
        tag["tag_embedding"],
        lambda summed, number: summed + number.cast("double") * tag["tagger_count"],
    )
