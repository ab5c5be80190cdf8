"""The Spark part of the benchmark `graph`: listens to daily sums to edges, in full and for one more day.

Drawn listens of 30 days lie in core_listens as nights leave them: a file a day. A full build runs the jobs
core_daily_listens and graph_user_listened_track over all of them; an incremental one, as every night does, where the
sums of the earlier days lie there already, so that only the newest day's listens are read. Both must give the same edges.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from feature_store.lake.delta_tables import ensure_table, table_uri
from feature_store.lake.storage import open_storage
from feature_store.settings import Night, Settings
from feature_store.spark.session import make_spark
from feature_store.tables.core import (
    CORE_DAILY_LISTENS,
    CORE_IMPRESSIONS,
    CORE_LISTEN_COUNTS,
    CORE_LISTENS,
)
from feature_store.tables.graph import GRAPH_USER_LISTENED_TRACK
from feature_store.tables.raw import RAW_LISTENS
from jobs.landing.closing import close_landing
from jobs.landing.manifests import LandingWriter
from jobs.run import run_job

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

    from feature_store.lake.arrow_io import Written

FIRST_DAY, N_DAYS = date(2026, 2, 1), 30
LAST_DAY = FIRST_DAY + timedelta(days=N_DAYS - 1)
LISTENS_EACH = 1_000  # of a person in the 30 days
FAVOURITES = 12  # tracks of a person, the first heard most: 10^8 listens make 2.9 x 10^7 rows of user, track and day
LISTENS_PER_TRACK = 500
DURATION_MS = 200_000
SPARK = {"quick_start": False, "shuffle_partitions": 16, "driver_memory": "8g"}
"""As on a service's machine: plans are compiled, and a task's part of the sums fits its memory."""


class BuildsDifferError(RuntimeError):
    """An incremental build gave other edges than a full one."""


@dataclass(frozen=True, slots=True)
class Built:
    """What a size took.

    Attributes:
        n_rows: distinct user x track x day rows.
        n_edges: distinct pairs.
    """

    n_listens: int
    n_rows: int
    n_edges: int
    full_s: float
    incremental_s: float


def measured(sizes: Sequence[int], settings: Settings, tries: int) -> dict[int, Built]:
    """Each size in one warm session; what was drawn and built is deleted again.

    Args:
        sizes: numbers of listens, ascending. The first one's cost is subtracted from the others', so it is built
            `tries` times and its median counts; the others are built once.
        settings: but for the lake, and for how Spark compiles.
        tries: at least 1.
    """
    compiled = settings.model_copy(update={"spark": settings.spark.model_copy(update=SPARK)})
    spark = make_spark(compiled)
    fixed, *larger = sizes
    _built_in_folder(spark, compiled, larger[0])  # Java compiles what it runs often: not counted
    tried = [_built_in_folder(spark, compiled, fixed) for _ in range(tries)]
    in_the_middle = sorted(tried, key=lambda one: one.full_s)[tries // 2]
    return {fixed: in_the_middle} | {
        size: _built_in_folder(spark, compiled, size) for size in larger
    }


def _built_in_folder(spark: SparkSession, settings: Settings, n_listens: int) -> Built:
    with tempfile.TemporaryDirectory(prefix="graph-jobs-") as folder:
        return built(spark, settings.model_copy(update={"lake": folder}), n_listens)


def built(spark: SparkSession, settings: Settings, n_listens: int) -> Built:
    """One size in an empty lake: the days before the last one untimed, then that day, then all at once.

    Raises:
        BuildsDifferError: the two ways gave different edges.
    """
    write_listens(spark, settings.lake, n_listens)
    _close_first_day(settings)
    _night(spark, settings, LAST_DAY - timedelta(days=1))
    incremental_s, _, edges_of_day = _night(spark, settings, LAST_DAY)
    for table in (CORE_DAILY_LISTENS, GRAPH_USER_LISTENED_TRACK):
        shutil.rmtree(table_uri(settings.lake, table))
    full_s, sums, edges = _night(spark, settings, LAST_DAY)
    refuse_difference(edges, edges_of_day)
    return Built(n_listens, sums.row_count, edges.row_count, full_s, incremental_s)


def write_listens(spark: SparkSession, lake: str, n_listens: int) -> None:
    """core_listens with so many rows (less the remainder by 30): the same ones each time."""
    made = ensure_table(lake, CORE_LISTENS)
    listens = drawn_listens(spark, n_listens)
    # Not spark_io.write: nobody asks for the hash of these rows, and a task's day stays one file.
    writer = listens.write.format("delta").mode("append").option("optimizeWrite", "false")
    writer.save(made.table_uri)


def drawn_listens(spark: SparkSession, n_listens: int) -> DataFrame:
    """Rows of core_listens from hashes of their numbers; each partition is a day."""
    a_day = n_listens // N_DAYS
    number = F.col("id")
    listener = _drawn(number, "user", max(4, n_listens // LISTENS_EACH))
    fraction = _drawn(number, "favourite", 2**20) / 2**20
    favourite = F.floor(FAVOURITES * F.pow(fraction, 3))
    track = F.pmod(F.xxhash64("listener", favourite), max(100, n_listens // LISTENS_PER_TRACK))
    played_ms = _drawn(number, "played", DURATION_MS + 1)
    midnight_s = (F.unix_date("known_from_date") * 86_400).cast("bigint")
    columns = {
        "listener": listener,
        "known_from_date": F.date_add(F.lit(FIRST_DAY), F.floor(number / a_day).cast("int")),
    }
    rows = spark.range(0, a_day * N_DAYS, 1, N_DAYS).withColumns(columns)
    return rows.select(
        F.hex(number).alias("listen_id"),
        _named("user", F.col("listener")).alias("user_id"),
        _named("track", track).alias("track_id"),
        F.timestamp_seconds(midnight_s + _drawn(number, "second", 86_400)).alias("listened_at_utc"),
        played_ms.alias("played_ms"),
        F.lit(DURATION_MS).cast("bigint").alias("duration_ms"),
        (played_ms / DURATION_MS).alias("completion_ratio"),
        (_drawn(number, "organic", 4) > 0).alias("is_organic"),
        _named("session", F.col("listener")).alias("session_id"),
        "known_from_date",
    )


def refuse_difference(full: Written, incremental: Written) -> None:
    """Raise when the two are not the same rows.

    Raises:
        BuildsDifferError: their hashes differ.
    """
    if full.content_sha256 != incremental.content_sha256:
        raise BuildsDifferError(
            f"{full.table_name}: a full build gives {full.row_count} rows of hash {full.content_sha256[:12]}, an "
            f"incremental one {incremental.row_count} of {incremental.content_sha256[:12]}; compare the two slices"
        )


def _night(spark: SparkSession, settings: Settings, as_of: date) -> tuple[float, Written, Written]:
    """Seconds of the two jobs, and what each wrote."""
    night = Night(as_of, "benchmark", settings)
    started_at_s = time.perf_counter()
    sums = run_job(CORE_DAILY_LISTENS.name, night, spark)
    edges = run_job(GRAPH_USER_LISTENED_TRACK.name, night, spark)
    return time.perf_counter() - started_at_s, sums, edges


def _close_first_day(settings: Settings) -> None:
    """What the jobs look for beside their input: the first day that landed; no impression, and no undated count."""
    nothing = RAW_LISTENS.arrow_schema.empty_table()
    LandingWriter(open_storage(settings.lake)).rows("listens", FIRST_DAY, nothing)
    close_landing(Night(FIRST_DAY, "benchmark", settings))
    for beside in (CORE_IMPRESSIONS, CORE_LISTEN_COUNTS):
        ensure_table(settings.lake, beside)


def _drawn(number: Column, what: str, below: int) -> Column:
    """A whole number from 0, the same for each row's number; as random as a hash."""
    return F.pmod(F.xxhash64(number, F.lit(what)), below)


def _named(kind: str, number: Column) -> Column:
    """An id, as long as a service's."""
    return F.concat(F.lit(f"{kind}-"), F.lpad(number.cast("string"), 9, "0"))
