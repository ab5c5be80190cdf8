"""Measures the graph's Spark jobs: full and incremental builds of daily sums and edges from listens.

Random listens of 30 days lie in core_listens as nights leave them, in one file for each day. A full build runs the jobs
core_daily_listens and graph_user_listened_track on all listens. An incremental build, as in a night, finds the sums of
earlier days and reads only the newest day's listens. Both must give the same edges.
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
from jobs.landing.writer import LandingWriter
from jobs.run import run_job

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

    from feature_store.lake.arrow_io import Written

FIRST_DAY, N_DAYS = date(2026, 2, 1), 30
LAST_DAY = FIRST_DAY + timedelta(days=N_DAYS - 1)
LISTENS_PER_USER = 1_000  # in the 30 days
FAVOURITES = 12  # tracks of a user, the first heard most: 10^8 listens make 2.9 x 10^7 rows of user, track and day
LISTENS_PER_TRACK = 500
DURATION_MS = 200_000
SPARK = {"quick_start": False, "shuffle_partitions": 16, "driver_memory": "8g"}
"""As on a production machine: Spark compiles plans, and a task's share of the sums fits its memory."""


class BuildsDifferError(RuntimeError):
    """The incremental build and the full build gave different edges."""


@dataclass(frozen=True, slots=True)
class BuildCost:
    """Seconds and rows of the builds of one size.

    Attributes:
        n_rows: distinct user x track x day rows.
        n_edges: distinct pairs.
    """

    n_listens: int
    n_rows: int
    n_edges: int
    full_s: float
    incremental_s: float


def measure_builds(sizes: Sequence[int], settings: Settings, tries: int) -> dict[int, BuildCost]:
    """Build each size in one warm Spark session and delete its tables afterwards.

    Args:
        sizes: numbers of listens, ascending. The first size is the fixed cost, which callers subtract: it is built
            `tries` times and the median counts. Other sizes are built once.
        settings: lake and Spark options are replaced.
        tries: at least 1.
    """
    compiled = settings.model_copy(update={"spark": settings.spark.model_copy(update=SPARK)})
    spark = make_spark(compiled)
    fixed, *larger = sizes
    _build_in_folder(spark, compiled, larger[0])  # not counted: Java compiles code that runs often
    fixed_costs = [_build_in_folder(spark, compiled, fixed) for _ in range(tries)]
    median = sorted(fixed_costs, key=lambda cost: cost.full_s)[tries // 2]
    return {fixed: median} | {size: _build_in_folder(spark, compiled, size) for size in larger}


def build(spark: SparkSession, settings: Settings, n_listens: int) -> BuildCost:
    """Build all days but the last without timing, then time the last day, then time a full build.

    Raises:
        BuildsDifferError: the two builds gave different edges.
    """
    write_listens(spark, settings.lake, n_listens)
    _prepare_inputs(settings)
    _run_jobs(spark, settings, LAST_DAY - timedelta(days=1))
    incremental_s, _, edges_of_day = _run_jobs(spark, settings, LAST_DAY)
    for table in (CORE_DAILY_LISTENS, GRAPH_USER_LISTENED_TRACK):
        shutil.rmtree(table_uri(settings.lake, table))
    full_s, sums, edges = _run_jobs(spark, settings, LAST_DAY)
    refuse_difference(edges, edges_of_day)
    return BuildCost(n_listens, sums.row_count, edges.row_count, full_s, incremental_s)


def write_listens(spark: SparkSession, lake: str, n_listens: int) -> None:
    """Write `n_listens` rows (rounded down to a multiple of 30) to core_listens, the same in every run."""
    table = ensure_table(lake, CORE_LISTENS)
    listens = random_listens(spark, n_listens)
    # Not spark_io.write: these rows need no hash, and each task's day must stay one file.
    writer = listens.write.format("delta").mode("append").option("optimizeWrite", "false")
    writer.save(table.table_uri)


def random_listens(spark: SparkSession, n_listens: int) -> DataFrame:
    """Rows of core_listens, drawn by hashes of the row number; each partition is a day."""
    listens_per_day = n_listens // N_DAYS
    number = F.col("id")
    listener = _random_int(number, "user", max(4, n_listens // LISTENS_PER_USER))
    fraction = _random_int(number, "favourite", 2**20) / 2**20
    favourite = F.floor(FAVOURITES * F.pow(fraction, 3))
    track = F.pmod(F.xxhash64("listener", favourite), max(100, n_listens // LISTENS_PER_TRACK))
    played_ms = _random_int(number, "played", DURATION_MS + 1)
    midnight_s = (F.unix_date("known_from_date") * 86_400).cast("bigint")
    columns = {
        "listener": listener,
        "known_from_date": F.date_add(
            F.lit(FIRST_DAY), F.floor(number / listens_per_day).cast("int")
        ),
    }
    rows = spark.range(0, listens_per_day * N_DAYS, 1, N_DAYS).withColumns(columns)
    return rows.select(
        F.hex(number).alias("listen_id"),
        _id_of("user", F.col("listener")).alias("user_id"),
        _id_of("track", track).alias("track_id"),
        F.timestamp_seconds(midnight_s + _random_int(number, "second", 86_400)).alias(
            "listened_at_utc"
        ),
        played_ms.alias("played_ms"),
        F.lit(DURATION_MS).cast("bigint").alias("duration_ms"),
        (played_ms / DURATION_MS).alias("completion_ratio"),
        (_random_int(number, "organic", 4) > 0).alias("is_organic"),
        _id_of("session", F.col("listener")).alias("session_id"),
        "known_from_date",
    )


def refuse_difference(full: Written, incremental: Written) -> None:
    """Refuse builds with different rows.

    Raises:
        BuildsDifferError: their hashes differ.
    """
    if full.content_sha256 != incremental.content_sha256:
        raise BuildsDifferError(
            f"{full.table_name}: a full build gives {full.row_count} rows of hash {full.content_sha256[:12]}, an "
            f"incremental one {incremental.row_count} of {incremental.content_sha256[:12]}; compare the two slices"
        )


def _build_in_folder(spark: SparkSession, settings: Settings, n_listens: int) -> BuildCost:
    with tempfile.TemporaryDirectory(prefix="graph-jobs-") as folder:
        return build(spark, settings.model_copy(update={"lake": folder}), n_listens)


def _run_jobs(
    spark: SparkSession, settings: Settings, as_of: date
) -> tuple[float, Written, Written]:
    """Run the two jobs; returns their seconds and their writes."""
    night = Night(as_of, "benchmark", settings)
    started_at_s = time.perf_counter()
    sums = run_job(CORE_DAILY_LISTENS.name, night, spark)
    edges = run_job(GRAPH_USER_LISTENED_TRACK.name, night, spark)
    return time.perf_counter() - started_at_s, sums, edges


def _prepare_inputs(settings: Settings) -> None:
    """Provide what the jobs read besides listens: the first landed day, and two empty tables."""
    no_rows = RAW_LISTENS.arrow_schema.empty_table()
    LandingWriter(open_storage(settings.lake)).write_rows("listens", FIRST_DAY, no_rows)
    close_landing(Night(FIRST_DAY, "benchmark", settings))
    for empty in (CORE_IMPRESSIONS, CORE_LISTEN_COUNTS):
        ensure_table(settings.lake, empty)


def _random_int(number: Column, purpose: str, below: int) -> Column:
    """A pseudo-random integer in [0, below): a hash of the row number and the purpose."""
    return F.pmod(F.xxhash64(number, F.lit(purpose)), below)


def _id_of(kind: str, number: Column) -> Column:
    """An id with the length of a production id."""
    return F.concat(F.lit(f"{kind}-"), F.lpad(number.cast("string"), 9, "0"))
