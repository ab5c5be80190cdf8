"""Frames and files that the feature jobs' tests are made of."""

from __future__ import annotations

import io
from dataclasses import asdict

import numpy as np
import soundfile
from PIL import Image
from pyspark.sql import DataFrame, SparkSession

from feature_store.contract import Table
from feature_store.lake.encoder_rows import EncoderIdentity
from feature_store.lake.storage import open_storage, sha256_of
from feature_store.settings import Night
from feature_store.tables.core import CORE_TRACKS
from feature_store.tables.features import FEAT_ENCODERS


def frame(spark: SparkSession, table: Table, rows: list[dict[str, object]]) -> DataFrame:
    """Rows of a table; a nullable column that a row leaves out is null."""
    names = table.column_names
    return spark.createDataFrame(
        [tuple(row.get(name) for name in names) for row in rows], table.spark_schema()
    )


def tracks(spark: SparkSession, night: Night, *contents: dict[str, object]) -> DataFrame:
    """Tracks t0, t1, ... of the catalogue, each with the content columns given."""
    known = {
        "title": "Title",
        "artist_id": "a",
        "artist_name": "Artist",
        "artist_match_key": "artist",
        "title_match_key": "title",
        "is_available": True,
        "known_from_date": night.as_of,
    }
    return frame(
        spark,
        CORE_TRACKS,
        [{"track_id": f"t{number}", **known, **content} for number, content in enumerate(contents)],
    )


def encoders(
    spark: SparkSession, night: Night, identities: dict[Table, EncoderIdentity]
) -> DataFrame:
    """The night's slice of feat_encoders: which identity counts in which feature table."""
    rows = [
        {"as_of_date": night.as_of, "feature_table": table.name, **asdict(identity)}
        for table, identity in identities.items()
    ]
    return frame(spark, FEAT_ENCODERS, rows)


def put(night: Night, path: str, content: bytes) -> str:
    """Write a file into the lake; returns its content hash."""
    open_storage(night.settings.lake).write(path, content)
    return sha256_of(content)


def tone(hz: float, seconds: float = 1.0) -> bytes:
    """A sine of half the full scale, as WAV."""
    moments_s = np.arange(int(seconds * 16_000)) / 16_000
    file = io.BytesIO()
    soundfile.write(file, 0.5 * np.sin(2 * np.pi * hz * moments_s), 16_000, format="WAV")
    return file.getvalue()


def plain_cover(red: int, green: int, blue: int) -> bytes:
    """An image of one colour, as PNG."""
    file = io.BytesIO()
    Image.new("RGB", (40, 40), (red, green, blue)).save(file, "PNG")
    return file.getvalue()
