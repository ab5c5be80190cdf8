"""feat_lyrics: sentence embedding, sentiment and descriptors of new lyrics.

The key is the hash of the text, so two tracks with the same words share a row. Lyrics without a
letter, in another encoding than UTF-8 or of a book's size get a row without features and with the
failure reason.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import partial

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.lake.encoder_rows import EncoderIdentity
from feature_store.setting_groups import EncoderSettings
from feature_store.settings import Night
from feature_store.tables.core import CORE_TRACKS
from feature_store.tables.features import FEAT_LYRICS
from feature_store.tables.raw import RAW_LYRICS
from jobs.decoding.failure_reasons import ContentMissing
from jobs.encoders import registry
from jobs.encoders.text import descriptors, sentiment
from jobs.encoders.text.plain_text import MAX_CHARACTERS, plain_text
from jobs.features.steps.incremental_encoding import Features, encode, not_yet_encoded
from jobs.inputs import AsOf, History, WholeTable

INPUTS = (AsOf(CORE_TRACKS), WholeTable(FEAT_LYRICS), History(RAW_LYRICS))
OUTPUT = FEAT_LYRICS


def build(tracks: DataFrame, encoded: DataFrame, texts: DataFrame, *, night: Night) -> DataFrame:
    """Rows for the lyrics of `tracks` that `encoded` lacks; `texts` holds the words."""
    return encode_new(new_content(tracks, encoded, texts, night=night), night=night)


def new_content(
    tracks: DataFrame, encoded: DataFrame, texts: DataFrame, *, night: Night
) -> DataFrame:
    """The lyrics of `tracks` that `encoded` lacks: content_hash, track_count, source."""
    identity = registry.lyrics_identity(night.settings.encoders)
    current = (
        tracks.where(F.col("lyrics_hash").isNotNull())
        .groupBy(F.col("lyrics_hash").alias("content_hash"))
        .agg(F.count("*").alias("track_count"))
    )
    # A text arrives once per track that has it, and again when a label sends it again.
    # More of it than the encoder takes would fill the workers' memory.
    start = F.substring("lyrics_text", 1, MAX_CHARACTERS + 1)
    words = texts.groupBy("content_hash").agg(F.min(start).alias("source"))
    return not_yet_encoded(current, encoded, identity).join(words, on="content_hash", how="left")


def encode_new(new: DataFrame, *, night: Night) -> DataFrame:
    """The rows of new lyrics."""
    encoders = night.settings.encoders
    identity = registry.lyrics_identity(encoders)
    featurise = partial(_lyrics_features, encoders, identity)
    return encode(new, OUTPUT, identity, featurise, night=night)


def _lyrics_features(
    encoders: EncoderSettings, identity: EncoderIdentity, content_hash: str, text: str | None
) -> Features:
    """The feature columns of one text."""
    if text is None:
        raise ContentMissing(f"raw_lyrics holds no content {content_hash}")
    words = plain_text(text)
    embedding = registry.text_encoder(encoders, identity).encode(words)
    scores = sentiment.analyse(words)
    return {
        "lyrics_embedding": embedding,
        "sentiment_compound": scores.compound,
        "emotional_load_ratio": scores.emotional_load_ratio,
        **asdict(descriptors.describe(words)),
    }
