"""rec_similar_tracks: tracks that sound and read alike and are called alike, heard or not.

The score is the mean, over the modalities that both tracks have (audio, lyrics, tags), of the
cosine between their embeddings after the catalogue's mean is taken away (encoders put all music
into one corner; the differences are what counts).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.sql import Window
from pyspark.sql import functions as F

from feature_store.tables.core import CORE_TRACKS
from feature_store.tables.features import FEAT_AUDIO, FEAT_LYRICS, FEAT_TRACK_TAGS
from feature_store.tables.recommendations import REC_SIMILAR_TRACKS
from jobs.inputs import Everything, Known
from jobs.recommendations.steps import similarity
from jobs.recommendations.steps.filters import SHOWN_COLUMNS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from feature_store.settings import Night

INPUTS = (
    Known(CORE_TRACKS),
    Everything(FEAT_AUDIO),
    Everything(FEAT_LYRICS),
    Known(FEAT_TRACK_TAGS),
)
OUTPUT = REC_SIMILAR_TRACKS

N_BLOCKS = 8
"""The catalogue is compared block by block: memory is that of two blocks, not of the catalogue's
square.
"""


def build(
    tracks: DataFrame, audio: DataFrame, lyrics: DataFrame, tags: DataFrame, *, night: Night
) -> DataFrame:
    """The nearest available tracks of each available track that has any embedding."""
    available = tracks.where("is_available")
    blocks = _blocks(_vectors(available, audio, lyrics, tags, night))
    length = night.settings.lists.similar_length
    nearest = _nearest(blocks, length)
    shown = available.select(F.col("track_id").alias("similar_track_id"), *SHOWN_COLUMNS)
    return (
        nearest.join(shown, on="similar_track_id", how="inner")
        .withColumn("as_of_date", F.lit(night.as_of))
        .withColumn("run_id", F.lit(night.run_id))
        .select(*OUTPUT.column_names)
    )


def _vectors(
    available: DataFrame, audio: DataFrame, lyrics: DataFrame, tags: DataFrame, night: Night
) -> DataFrame:
    """Embeddings less the catalogue's mean, a column a modality; null where there is none.

    Audio and lyrics are found by the hash of the track's content, tags by the track itself.
    """
    encoders = night.settings.encoders
    embedded = {
        "audio": (_of_content(audio, encoders.audio, "audio"), "audio_hash"),
        "lyrics": (_of_content(lyrics, encoders.lyrics, "lyrics"), "lyrics_hash"),
        "tags": (tags.select("track_id", F.col("mean_tag_embedding").alias("tags")), "track_id"),
    }
    vectors = available.select("track_id", "audio_hash", "lyrics_hash")
    for modality, (features, key) in embedded.items():
        # Only this catalogue's content: a mean that took in what arrives later would be another
        # one when an older date is run again.
        known = features.where(F.col(modality).isNotNull()).join(available, on=key, how="left_semi")
        vectors = vectors.join(_centred(known, modality, key), on=key, how="left")
    has_any = F.coalesce(*embedded).isNotNull()
    return vectors.select("track_id", *embedded).where(has_any)


def _of_content(features: DataFrame, encoder_id: str, modality: str) -> DataFrame:
    """The encoder's embeddings, one for each content."""
    return features.where(F.col("encoder_id") == encoder_id).select(
        F.col("content_hash").alias(f"{modality}_hash"),
        F.col(f"{modality}_embedding").alias(modality),
    )


def _centred(features: DataFrame, modality: str, key: str) -> DataFrame:
    # One worker adds the vectors in the order of their keys: sums of floats depend on the order.
    in_order = features.repartition(1).sortWithinPartitions(key)
    mean = in_order.select(modality).mapInArrow(similarity.mean_vector, "mean array<float>")
    centred = F.transform(
        F.arrays_zip(modality, "mean"), lambda pair: pair[modality] - pair["mean"]
    )
    return features.crossJoin(F.broadcast(mean)).select(key, centred.alias(modality))


def _blocks(vectors: DataFrame) -> DataFrame:
    """One row a block: its track ids in order, and its unit vectors as bytes."""
    numbered = vectors.withColumn("block", F.pmod(F.xxhash64("track_id"), F.lit(N_BLOCKS)))
    return numbered.groupBy("block").applyInArrow(similarity.packed_block, similarity.BLOCK_DDL)


def _nearest(blocks: DataFrame, length: int) -> DataFrame:
    def compared(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from similarity.nearest_in_blocks(batches, length)

    others = blocks.select(*[F.col(name).alias(f"other_{name}") for name in blocks.columns])
    pairs = blocks.crossJoin(others).repartition(N_BLOCKS, "block", "other_block")
    best = Window.partitionBy("track_id").orderBy(F.col("score").desc(), "similar_track_id")
    return (
        pairs.mapInArrow(compared, similarity.NEAREST_DDL)
        .withColumn("rank", F.row_number().over(best))
        .where(F.col("rank") <= length)
    )
