"""Content hashes of landed audio files and cover pictures, computed by Spark's Python workers.

A track may bring two files on one day, `a.png` and `a.jpg`: the one that landed last counts, and
the log names the other.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from functools import partial

import pandas as pd
import structlog
from pyspark.sql import DataFrame, SparkSession

from feature_store.lake.storage import Storage, open_storage
from feature_store.tables import columns as c
from feature_store.tables.raw import RAW_AUDIO
from jobs.landing.layout import track_id_in
from jobs.raw.steps.landing_schema import Arrival, frame_from_rows

LOG = structlog.get_logger()


def hash_files(spark: SparkSession, lake: str, arrivals: Sequence[Arrival]) -> DataFrame:
    """One row per file in the columns of its raw_ table; the driver reads no file."""
    positions = _positions(arrivals)
    listed = frame_from_rows(
        spark,
        (c.TRACK_ID, c.FILE_URI, c.BYTE_COUNT, c.ARRIVAL_DATE, c.SOURCE_ROW),
        [
            (
                track_id_in(each.file.path),
                each.file.path,
                each.file.byte_count,
                each.arrival_date,
                positions[each],
            )
            for each in arrivals
        ],
    )
    # A partition per core: hashing waits for the disk or the network, not for the shuffle.
    spread = listed.repartition(spark.sparkContext.defaultParallelism, "file_uri")
    return spread.mapInPandas(partial(_hash_batches, lake), schema=RAW_AUDIO.ddl)


def _positions(arrivals: Sequence[Arrival]) -> dict[Arrival, int]:
    """Position of each file among those of its track and arrival day, in the order of landing.

    A file of an earlier day's folder is late and comes first; then the time of its writing counts,
    as the manifest has it, and for equal times the name.
    """
    groups = defaultdict[tuple[date, str], list[Arrival]](list)
    for each in arrivals:
        groups[each.arrival_date, track_id_in(each.file.path)].append(each)
    positions = dict[Arrival, int]()
    for (arrival_date, track_id), files in groups.items():
        files.sort(key=lambda one: (one.file.folder_date, one.file.written_at_utc, one.file.path))
        positions |= {each: position for position, each in enumerate(files)}
        if len(files) > 1:
            LOG.warning(
                "several files of one track on one day: the last counts",
                track_id=track_id,
                arrival_date=arrival_date.isoformat(),
                counts=files[-1].file.path,
                others=[each.file.path for each in files[:-1]],
            )
    return positions


def _hash_batches(lake: str, batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    storage = open_storage(lake)
    for files in batches:
        yield files.assign(
            content_hash=[_sha256(storage, path) for path in files["file_uri"]],
            source_file=files["file_uri"],
        )


def _sha256(storage: Storage, path: str) -> str:
    """As `sha256_of`, of a file that may not fit into memory."""
    digest = hashlib.sha256()
    for block in storage.read_blocks(path):
        digest.update(block)
    return digest.hexdigest()
