"""rec_similar_tracks: similar tracks by audio, lyrics and tags, also of tracks without a listen.

The score is the mean, over the modalities that both tracks have (audio, lyrics, tags), of the
cosine between their embeddings less the catalogue's mean: embeddings of all music lie close
together, and only their differences tell tracks apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.sql import Window
from pyspark.sql import functions as F

from feature_store.lake.encoder_rows import spark_rows
from feature_store.tables.core import CORE_TRACKS
from feature_store.tables.features import (
    FEAT_AUDIO,
    FEAT_ENCODERS,
    FEAT_LYRICS,
    FEAT_TRACK_TAGS,
)
from feature_store.tables.recommendations import REC_SIMILAR_TRACKS
from jobs.inputs import AsOf, WholeTable
from jobs.recommendations.steps import similarity
from jobs.recommendations.steps.filters import TRACK_METADATA_COLUMNS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from feature_store.contract import Table
    from feature_store.settings import Night

INPUTS = (
    AsOf(CORE_TRACKS),
    AsOf(FEAT_ENCODERS),
    WholeTable(FEAT_AUDIO),
    WholeTable(FEAT_LYRICS),
    AsOf(FEAT_TRACK_TAGS),
)
OUTPUT = REC_SIMILAR_TRACKS

N_BLOCKS = 8
"""The catalogue is compared block by block, so that memory holds two blocks and not its square."""


def build(
    tracks: DataFrame,
    encoders: DataFrame,
    audio: DataFrame,
    lyrics: DataFrame,
    tags: DataFrame,
    *,
    night: Night,
) -> DataFrame:
    """The nearest available tracks of each available track that has any embedding."""
    available = tracks.where("is_available")
    embedded = {
        "audio": (_of_content(audio, encoders, FEAT_AUDIO, "audio"), "audio_hash"),
        "lyrics": (_of_content(lyrics, encoders, FEAT_LYRICS, "lyrics"), "lyrics_hash"),
        "tags": (tags.select("track_id", F.col("mean_tag_embedding").alias("tags")), "track_id"),
    }
    blocks = _blocks(_vectors(available, embedded))
    length = night.settings.lists.similar_length
    nearest = _nearest(blocks, length)
    metadata = available.select(
        F.col("track_id").alias("similar_track_id"), *TRACK_METADATA_COLUMNS
    )
    return (
        nearest.join(metadata, on="similar_track_id", how="inner")
        .withColumn("as_of_date", F.lit(night.as_of))
        .withColumn("run_id", F.lit(night.run_id))
        .select(*OUTPUT.column_names)
    )


def _vectors(available: DataFrame, embedded: Mapping[str, tuple[DataFrame, str]]) -> DataFrame:
    """Embeddings less the catalogue's mean, one column a modality; null where there is none.

    Args:
        available: tracks with the hashes of their content.
        embedded: by modality, its embeddings and the key column that they are unique by.
    """
    vectors = available.select("track_id", "audio_hash", "lyrics_hash")
    for modality, (features, key) in embedded.items():
        # Only this catalogue's content: with content that arrives later in the mean, a backfill of
        # an older date would give other scores.
        in_catalogue = features.where(F.col(modality).isNotNull()).join(
            available, on=key, how="left_semi"
        )
        vectors = vectors.join(_centred(in_catalogue, modality, key), on=key, how="left")
    has_any = F.coalesce(*embedded).isNotNull()
    return vectors.select("track_id", *embedded).where(has_any)


def _of_content(features: DataFrame, encoders: DataFrame, table: Table, modality: str) -> DataFrame:
    """The embeddings that count for the night, one for each content."""
    return spark_rows(features, encoders, table).select(
        F.col("content_hash").alias(f"{modality}_hash"),
        F.col(f"{modality}_embedding").alias(modality),
    )


def _centred(features: DataFrame, modality: str, key: str) -> DataFrame:
    # One worker adds the vectors in key order, because sums of floats depend on the order.
    in_order = features.repartition(1).sortWithinPartitions(key)
    mean = in_order.select(modality).mapInArrow(similarity.mean_vector, "mean array<float>")
    centred = F.transform(
        F.arrays_zip(modality, "mean"), lambda pair: pair[modality] - pair["mean"]
    )
    return features.crossJoin(F.broadcast(mean)).select(key, centred.alias(modality))


def _blocks(vectors: DataFrame) -> DataFrame:
    """One row per block: its track ids in order, and its unit vectors as bytes."""
    numbered = vectors.withColumn("block", F.pmod(F.xxhash64("track_id"), F.lit(N_BLOCKS)))
    return numbered.groupBy("block").applyInArrow(similarity.pack_block, similarity.BLOCK_DDL)


def _nearest(blocks: DataFrame, length: int) -> DataFrame:
    def nearest(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from similarity.nearest_in_blocks(batches, length)

    others = blocks.select(*[F.col(name).alias(f"other_{name}") for name in blocks.columns])
    pairs = blocks.crossJoin(others).repartition(N_BLOCKS, "block", "other_block")
    best = Window.partitionBy("track_id").orderBy(F.col("score").desc(), "similar_track_id")
    return (
        pairs.mapInArrow(nearest, similarity.NEAREST_DDL)
        .withColumn("rank", F.row_number().over(best))
        .where(F.col("rank") <= length)
    )
