"""feat_track_texts: the text of each track, which the music encoder of training reads.

Python composes the texts, because training composes them again by the same rule
(feature_store/track_text.py). Of the lyrics only the excerpt leaves the Python worker that reads
them: whole texts would be shuffled every night.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import date
from functools import partial
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.lake.encoder_rows import spark_rows
from feature_store.settings import Night
from feature_store.tables.core import CORE_TAGS, CORE_TRACKS
from feature_store.tables.features import FEAT_ENCODERS, FEAT_LYRICS, FEAT_TRACK_TEXTS
from feature_store.tables.raw import RAW_LYRICS
from feature_store.track_text import TextField, TextParts, compose_text, excerpt, text_sha256
from jobs.core.steps.tag_counts import tag_counts
from jobs.decoding.failure_reasons import ContentFailure
from jobs.encoders.text.plain_text import MAX_CHARACTERS, plain_text
from jobs.inputs import AsOf, History, WholeTable

INPUTS = (
    AsOf(CORE_TRACKS),
    History(CORE_TAGS),
    AsOf(FEAT_ENCODERS),
    WholeTable(FEAT_LYRICS),
    History(RAW_LYRICS),
)
OUTPUT = FEAT_TRACK_TEXTS


def build(
    tracks: DataFrame,
    tags: DataFrame,
    encoders: DataFrame,
    lyrics: DataFrame,
    texts: DataFrame,
    *,
    night: Night,
) -> DataFrame:
    """One row per track of `tracks`, whatever is known of it; `texts` holds the lyrics' words."""
    compose = partial(
        _rows_of_batches, fields=night.settings.encoders.text_fields, as_of=night.as_of
    )
    at_least = night.settings.graph.min_tagger_count
    parts = (
        tracks.select("track_id", "title", "artist_name", "lyrics_hash")
        .join(_tags_by_track(tags, tracks, at_least), on="track_id", how="left")
        .join(_languages(spark_rows(lyrics, encoders, FEAT_LYRICS)), on="lyrics_hash", how="left")
        .join(_excerpts(texts, tracks), on="lyrics_hash", how="left")
    )
    return parts.mapInArrow(compose, OUTPUT.spark_schema()).select(*OUTPUT.column_names)


def _tags_by_track(tags: DataFrame, tracks: DataFrame, at_least: int) -> DataFrame:
    """(track_id, tags): each tag with its tagger_count, in no order."""
    counted = tag_counts(tags, tracks, at_least=at_least)
    return counted.groupBy("track_id").agg(
        F.collect_list(F.struct("tag", "tagger_count")).alias("tags")
    )


def _languages(lyrics: DataFrame) -> DataFrame:
    return lyrics.select(F.col("content_hash").alias("lyrics_hash"), "language")


def _excerpts(texts: DataFrame, tracks: DataFrame) -> DataFrame:
    """(lyrics_hash, lyrics_excerpt) of the tracks' lyrics, unique by hash."""
    arrived = texts.select(
        F.col("content_hash").alias("lyrics_hash"),
        # More of it than the rule takes would fill the workers' memory.
        F.substring("lyrics_text", 1, MAX_CHARACTERS + 1).alias("words"),
    ).join(tracks.select("lyrics_hash"), on="lyrics_hash", how="left_semi")
    taken = arrived.withColumn(
        "lyrics_excerpt", F.udf(_readable_excerpt, "string", useArrow=True)("words")
    )
    # A text arrives once per track that has it, and again when a label sends it again.
    return taken.groupBy("lyrics_hash").agg(F.min("lyrics_excerpt").alias("lyrics_excerpt"))


def _readable_excerpt(text: str) -> str | None:
    """The excerpt; None for what feat_lyrics has a failure reason for."""
    try:
        return excerpt(plain_text(text))
    except ContentFailure:
        return None


def _rows_of_batches(
    batches: Iterator[pa.RecordBatch], *, fields: Collection[TextField], as_of: date
) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        rows = [_row(track, fields, as_of) for track in batch.to_pylist()]
        yield pa.RecordBatch.from_pylist(rows, schema=OUTPUT.arrow_schema)


def _row(track: Mapping[str, Any], fields: Collection[TextField], as_of: date) -> dict[str, object]:
    """The row of one track, from its parts as `build` joins them."""
    parts = TextParts(
        title=track["title"],
        artist=track["artist_name"],
        tag_counts={one["tag"]: one["tagger_count"] for one in track["tags"] or ()},
        language=track["language"],
        lyrics_excerpt=track["lyrics_excerpt"],
    )
    text = compose_text(parts, fields)
    return {
        "as_of_date": as_of,
        "track_id": track["track_id"],
        "language": parts.language,
        "lyrics_excerpt": parts.lyrics_excerpt,
        "track_text": text,
        "text_sha256": text_sha256(text),
    }
