"""Content hashes of landed audio files and cover pictures, computed by Spark's Python workers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import PurePosixPath
from urllib.parse import unquote

import pandas as pd
from pyspark.sql import DataFrame, SparkSession

from feature_store.lake.storage import Storage, open_storage
from feature_store.tables import columns as c
from feature_store.tables.raw import RAW_AUDIO
from jobs.raw.steps.landing_schema import Arrival, frame_from_rows


def hash_files(spark: SparkSession, lake: str, arrivals: Sequence[Arrival]) -> DataFrame:
    """One row per file in the columns of its raw_ table; the driver reads no file."""
    listed = frame_from_rows(
        spark,
        (c.TRACK_ID, c.FILE_URI, c.BYTE_COUNT, c.ARRIVAL_DATE),
        [
            (_track_id_in(each.file.path), each.file.path, each.file.byte_count, each.arrival_date)
            for each in arrivals
        ],
    )
    # A partition per core: hashing waits for the disk or the network, not for the shuffle.
    spread = listed.repartition(spark.sparkContext.defaultParallelism, "file_uri")
    return spread.mapInPandas(partial(_hash_batches, lake), schema=RAW_AUDIO.ddl)


def _track_id_in(path: str) -> str:
    """`landing/covers/2026-03-01/a%2Fb.jpg` holds the cover of the track `a/b`."""
    return unquote(PurePosixPath(path).stem)


def _hash_batches(lake: str, batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    storage = open_storage(lake)
    for files in batches:
        yield files.assign(
            content_hash=[_sha256(storage, path) for path in files["file_uri"]],
            source_file=files["file_uri"],
            source_row=0,
        )


def _sha256(storage: Storage, path: str) -> str:
    """As `sha256_of`, of a file that may not fit into memory."""
    digest = hashlib.sha256()
    for block in storage.read_blocks(path):
        digest.update(block)
    return digest.hexdigest()
