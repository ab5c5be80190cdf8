"""rec_similar_tracks: similar tracks by audio, lyrics and tags, also of tracks without a listen.

Where HTCL is the champion of audio_text, the score is the cosine of the tracks' vectors in
feat_track_htcl. Otherwise that table is empty, and the score is the mean, over the modalities that
both tracks have (audio, lyrics, tags), of the cosine between their embeddings less the catalogue's
mean: embeddings of all music lie close together, and only their differences tell tracks apart.

Tracks are stored in shards of a fixed size, by collection: the tracks that have the same modalities
(steps/track_vectors.py). Each track is sent as a query to every shard of a collection; or, when
that would compare more than `lists.similar_exact_tracks` squared pairs, to the shards that hold the
nearest lists of an index.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.sql import functions as F

from feature_store.lake.encoder_rows import spark_rows
from feature_store.tables.core import CORE_TRACKS
from feature_store.tables.features import (
    FEAT_AUDIO,
    FEAT_ENCODERS,
    FEAT_LYRICS,
    FEAT_TRACK_HTCL,
    FEAT_TRACK_TAGS,
)
from feature_store.tables.recommendations import REC_SIMILAR_TRACKS
from jobs.inputs import AsOf, WholeTable
from jobs.recommendations.steps import similarity, track_index, track_vectors
from jobs.recommendations.steps.filters import TRACK_METADATA_COLUMNS
from jobs.recommendations.steps.track_vectors import MODALITIES, TRAINED

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from feature_store.contract import Table
    from feature_store.settings import Night

INPUTS = (
    AsOf(CORE_TRACKS),
    AsOf(FEAT_ENCODERS),
    WholeTable(FEAT_AUDIO),
    WholeTable(FEAT_LYRICS),
    AsOf(FEAT_TRACK_TAGS),
    AsOf(FEAT_TRACK_HTCL),
)
OUTPUT = REC_SIMILAR_TRACKS

MIN_SEARCH_TASKS = 16
"""Shards are divided among so many tasks, or spark.shuffle_partitions when these are more."""


@dataclass(frozen=True, slots=True)
class Embeddings:
    """The embeddings of one modality.

    Attributes:
        modality: names the column of vectors.
        key: the column that the rows are unique by; core_tracks has it, too.
        rows: key and vector.
        mean: one row, <modality>_mean; null when there is no vector.
    """

    modality: str
    key: str
    rows: DataFrame
    mean: DataFrame


def build(
    tracks: DataFrame,
    encoders: DataFrame,
    audio: DataFrame,
    lyrics: DataFrame,
    tags: DataFrame,
    vectors_of_htcl: DataFrame,
    *,
    night: Night,
) -> DataFrame:
    """The nearest available tracks of each available track that has any embedding."""
    available = tracks.where("is_available")
    tagged = tags.select("track_id", F.col("mean_tag_embedding").alias("tags"))
    # A scalar, so that Spark reads no embedding of a modality that does not count.
    is_trained = vectors_of_htcl.agg(F.count("*") > 0).scalar()
    features = {
        "audio": _of_content(audio, encoders, FEAT_AUDIO, "audio"),
        "lyrics": _of_content(lyrics, encoders, FEAT_LYRICS, "lyrics"),
        "tags": tagged,
    }
    embeddings = [
        _embeddings(available, rows.where(~is_trained), modality)
        for modality, rows in features.items()
    ]
    embeddings.append(_trained(available, vectors_of_htcl))
    vectors = _vectors(available, embeddings)
    collections = _collections(vectors, night)
    index = _index(vectors, embeddings, collections, night)
    nearest = _nearest(_entries(vectors, embeddings, collections, index), night)
    metadata = available.select(
        F.col("track_id").alias("similar_track_id"), *TRACK_METADATA_COLUMNS
    )
    return (
        nearest.join(metadata, on="similar_track_id", how="inner")
        .withColumn("as_of_date", F.lit(night.as_of))
        .withColumn("run_id", F.lit(night.run_id))
        .select(*OUTPUT.column_names)
    )


def _of_content(features: DataFrame, encoders: DataFrame, table: Table, modality: str) -> DataFrame:
    """The embeddings that count for the night, one for each content."""
    return spark_rows(features, encoders, table).select(
        F.col("content_hash").alias(f"{modality}_hash"),
        F.col(f"{modality}_embedding").alias(modality),
    )


def _embeddings(available: DataFrame, features: DataFrame, modality: str) -> Embeddings:
    """This catalogue's content alone.

    With content that arrives later in the mean, a backfill of an older date would give other
    scores.

    Args:
        available: tracks with the hashes of their content.
        features: two columns, the key and the vector.
        modality: names the column of vectors.
    """
    [key] = set(features.columns) - {modality}
    in_catalogue = features.where(F.col(modality).isNotNull()).join(
        available, on=key, how="left_semi"
    )
    # One worker adds the vectors in key order, because sums of floats depend on the order.
    in_order = in_catalogue.repartition(1).sortWithinPartitions(key).select(modality)
    mean = in_order.mapInArrow(track_vectors.mean_vector, track_vectors.MEAN_DDL)
    one_row = mean.agg(F.first("mean").alias(f"{modality}_mean"))
    return Embeddings(modality, key, in_catalogue, one_row)


def _trained(available: DataFrame, vectors_of_htcl: DataFrame) -> Embeddings:
    """The vectors of HTCL, which are compared as they are: their mean is taken as zero."""
    rows = vectors_of_htcl.select("track_id", F.col("track_vector").alias(TRAINED)).join(
        available, on="track_id", how="left_semi"
    )
    zeros = F.transform(F.first(TRAINED), lambda _: F.lit(0.0).cast("float"))
    return Embeddings(TRAINED, "track_id", rows, rows.agg(zeros.alias(f"{TRAINED}_mean")))


def _vectors(available: DataFrame, embeddings: list[Embeddings]) -> DataFrame:
    """Each track's embeddings, null where it has none, and its pattern; no track without any.

    A vector that equals the mean has no direction, so its track lacks the modality.
    """
    vectors = available.select("track_id", "audio_hash", "lyrics_hash")
    for one in embeddings:
        has_direction = F.col(one.modality) != F.col(f"{one.modality}_mean")
        directed = one.rows.crossJoin(F.broadcast(one.mean)).where(has_direction)
        bit = F.lit(track_vectors.bit_of(one.modality)).alias(f"{one.modality}_bit")
        vectors = vectors.join(directed.select(one.key, one.modality, bit), on=one.key, how="left")
    # Not of the vectors themselves: whoever counts patterns need not move these.
    bits = [F.coalesce(f"{modality}_bit", F.lit(0)) for modality in MODALITIES]
    return vectors.select(
        "track_id",
        F.xxhash64("track_id").alias("id_hash"),
        reduce(add, bits).alias("pattern"),
        *MODALITIES,
    ).where(F.col("pattern") > 0)


def _collections(vectors: DataFrame, night: Night) -> DataFrame:
    """The collections that each pattern is stored in or compared with (COLLECTIONS_DDL)."""
    exact_tracks = night.settings.lists.similar_exact_tracks

    def describe(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from track_index.describe_collections(batches, exact_tracks)

    patterns = vectors.groupBy("pattern").agg(F.count("*").alias("n_tracks"))
    return patterns.repartition(1).mapInArrow(describe, track_index.COLLECTIONS_DDL)


def _index(
    vectors: DataFrame, embeddings: list[Embeddings], collections: DataFrame, night: Night
) -> DataFrame:
    """The lists (INDEX_DDL) of each collection that is too large to be searched exactly.

    They are trained on the tracks whose ids' hashes are multiples of a number.
    """
    seed, length = night.settings.seed, night.settings.lists.similar_length

    def train(blocks: pa.Table) -> pa.Table:
        return track_index.train_lists(blocks, seed, length)

    stored = collections.where(F.col("pattern") == F.col("collection"))
    of_own_space = stored.where(F.col("space") == F.col("pattern"))  # one row a pattern
    strides = of_own_space.where(F.col("stride").isNotNull()).select("pattern", "stride")
    sample = vectors.join(F.broadcast(strides), on="pattern", how="inner").where(
        F.pmod("id_hash", "stride") == 0
    )
    blocks = _blocks(sample.select(*vectors.columns), embeddings)
    samples = blocks.join(F.broadcast(stored.where("is_large")), on="pattern", how="inner")
    return samples.groupBy("space", "collection").applyInArrow(train, track_index.INDEX_DDL)


def _blocks(vectors: DataFrame, embeddings: list[Embeddings]) -> DataFrame:
    """Packed tracks of one pattern, with the catalogue's means."""
    blocks = vectors.mapInArrow(track_vectors.pack_blocks, track_vectors.BLOCK_DDL)
    for one in embeddings:
        blocks = blocks.crossJoin(F.broadcast(one.mean))
    return blocks


def _entries(
    vectors: DataFrame, embeddings: list[Embeddings], collections: DataFrame, index: DataFrame
) -> DataFrame:
    """One row (ENTRY_DDL) for each track and collection that stores it or is compared with it."""
    by_pattern = (
        collections.join(F.broadcast(index), on=["space", "collection"], how="left")
        .groupBy("pattern")
        .agg(
            F.collect_list(
                F.struct("space", "collection", "n_tracks", *track_index.LISTS_COLUMNS)
            ).alias("collections")
        )
    )
    blocks = _blocks(vectors, embeddings).join(F.broadcast(by_pattern), on="pattern", how="inner")
    return blocks.mapInArrow(track_index.route_blocks, track_index.ENTRY_DDL)


def _nearest(entries: DataFrame, night: Night) -> DataFrame:
    """Ranked neighbours (track_id, rank, similar_track_id, score, modalities)."""
    length = night.settings.lists.similar_length
    n_tasks = max(MIN_SEARCH_TASKS, night.settings.spark.shuffle_partitions)

    def search(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from similarity.nearest_in_shards(batches, length)

    sent = (
        entries.select("*", F.posexplode("shards").alias("position", "shard"))
        .where(F.col("shard").isNotNull())
        .withColumn("is_query", F.col("position") > 0)
        .drop("shards", "position")
        .repartition(n_tasks, "space", "collection", "shard")
        .sortWithinPartitions(*similarity.SHARD_KEYS, "list", "track_id")
    )
    found = sent.mapInArrow(search, similarity.FOUND_DDL).groupBy("track_id")
    of_all_shards = F.sort_array(F.flatten(F.collect_list("neighbours")))
    best = found.agg(F.slice(of_all_shards, 1, length).alias("neighbours"))
    return best.select("track_id", F.posexplode("neighbours").alias("position", "found")).select(
        "track_id",
        (F.col("position") + 1).alias("rank"),
        "found.similar_track_id",
        (-F.col("found.descending") / similarity.SCORE_STEPS).alias("score"),
        _names_in(F.col("found.space")).alias("modalities"),
    )


def _names_in(space: Column) -> Column:
    """Names of the modalities in a space."""
    names = (
        F.when(space.bitwiseAND(track_vectors.bit_of(modality)) > 0, modality)
        for modality in MODALITIES
    )
    return F.array_compact(F.array(*names))
