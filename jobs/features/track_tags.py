"""feat_track_tags: the mean tag embedding of each track.

Each tag's embedding is weighted by its number of taggers: a tag from one listener moves the mean a
little, a tag from hundreds carries it.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from feature_store.lake.encoder_rows import IDENTITY_COLUMNS, spark_rows
from feature_store.settings import Night
from feature_store.tables.core import CORE_TAGS, CORE_TRACKS
from feature_store.tables.features import FEAT_ENCODERS, FEAT_TAGS, FEAT_TRACK_TAGS
from jobs.core.steps.tag_counts import tag_counts
from jobs.inputs import AsOf, History, WholeTable

INPUTS = (History(CORE_TAGS), AsOf(CORE_TRACKS), AsOf(FEAT_ENCODERS), WholeTable(FEAT_TAGS))
OUTPUT = FEAT_TRACK_TAGS

_DECIMALS = 6


def build(
    tags: DataFrame, tracks: DataFrame, encoders: DataFrame, encoded: DataFrame, *, night: Night
) -> DataFrame:
    """One row for each track of `tracks` with a tag that has an embedding."""
    embeddings = (
        spark_rows(encoded, encoders, FEAT_TAGS)
        .where(F.col("tag_embedding").isNotNull())
        .select("tag", "tag_embedding", *IDENTITY_COLUMNS)
    )
    # Inner: a tag without an embedding has no part in the mean, nor in its weights.
    counted = tag_counts(tags, tracks, at_least=night.settings.graph.min_tagger_count)
    weighted = counted.join(embeddings, on="tag", how="inner")
    in_order = F.array_sort(F.collect_list(F.struct("tag", "tagger_count", "tag_embedding")))
    return (
        weighted.groupBy("track_id", *IDENTITY_COLUMNS)
        .agg(in_order.alias("tags"), F.sum("tagger_count").alias("weight_sum"))
        .withColumn("mean_tag_embedding", _weighted_mean(F.col("tags"), F.col("weight_sum")))
        .withColumn("as_of_date", F.lit(night.as_of))
        .select(*OUTPUT.column_names)
    )


def _weighted_mean(tags: Column, weight_sum: Column) -> Column:
    """Sum of tagger_count x tag_embedding over `weight_sum`, added in the order of `tags`.

    Sums of floats depend on the order, so the order is part of the contract.
    """
    zeros = F.transform(tags[0]["tag_embedding"], lambda _: F.lit(0.0))
    total = F.aggregate(tags, zeros, _add_weighted)
    return F.transform(total, lambda summed: F.round(summed / weight_sum, _DECIMALS).cast("float"))


def _add_weighted(total: Column, tag: Column) -> Column:
    """`total` plus one tag's embedding times its tagger_count, element by element."""
    return F.zip_with(
        total,
        tag["tag_embedding"],
        lambda summed, number: summed + number.cast("double") * tag["tagger_count"],
    )
