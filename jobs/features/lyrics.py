"""feat_lyrics: read all lyrics that this encoder has not read yet.

Lyrics are told apart by the hash of their text, so two tracks with the same words share a row.
Lyrics without a letter get a row without features and with the reason.
"""

from __future__ import annotations

from functools import partial

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.settings import Night
from feature_store.tables.core import CORE_TRACKS
from feature_store.tables.features import FEAT_LYRICS
from feature_store.tables.raw import RAW_LYRICS
from jobs.encoders import registry
from jobs.encoders.failure_reasons import Reason, UnusableContent
from jobs.encoders.text import sentiment
from jobs.features.steps.incremental_encoding import Features, encode, pending_content
from jobs.inputs import Everything, History, Known

INPUTS = (Known(CORE_TRACKS), Everything(FEAT_LYRICS), History(RAW_LYRICS))
OUTPUT = FEAT_LYRICS


def build(tracks: DataFrame, read: DataFrame, texts: DataFrame, *, night: Night) -> DataFrame:
    """Rows for the lyrics of `tracks` that `read` lacks; `texts` holds the words."""
    encoders = night.settings.encoders
    identity = registry.lyrics_identity(encoders)
    wanted = (
        tracks.where(F.col("lyrics_hash").isNotNull())
        .groupBy(F.col("lyrics_hash").alias("content_hash"))
        .agg(F.count("*").alias("track_count"))
    )
    # The same text arrives once per track that has it, and again when a label sends it again.
    words = texts.groupBy("content_hash").agg(F.min("lyrics_text").alias("source"))
    pending = pending_content(wanted, read, identity).join(words, on="content_hash", how="left")
    return encode(pending, OUTPUT, identity, partial(_read, encoders.lyrics), night=night)


def _read(encoder_id: str, content_hash: str, text: str | None) -> Features:
    """The feature columns of one text."""
    if text is None:
        raise UnusableContent(Reason.MISSING_TEXT, f"raw_lyrics holds no content {content_hash}")
    embedding = registry.text_encoder(encoder_id).encode(text)
    feeling = sentiment.read(text)
    return {
        "lyrics_embedding": embedding,
        "sentiment_compound": feeling.compound,
        "emotional_load_ratio": feeling.load_ratio,
    }
