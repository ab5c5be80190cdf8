"""What arrived in the landing zone as Spark frames: rows in the contract's types, and files.

The files of one source may differ: a column is missing, or an id is a number in one file and text
in another. Each is read by itself (parquet_rows.py).
"""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from feature_store.lake.storage import open_storage
from jobs.inputs import Slice
from jobs.landing.layout import FILE_SOURCES
from jobs.landing.manifests import arrived_files, first_arrival_day
from jobs.raw.steps.file_hashes import hash_files
from jobs.raw.steps.landing_schema import FIRST_ARRIVAL_DATE, Arrival
from jobs.raw.steps.parquet_rows import rows_of_parquet_files


def read_landing(spark: SparkSession, lake: str, source: str, days: Slice) -> DataFrame:
    """The rows or files of one source that the manifests of `days` list.

    A row source gives its landing columns in the contract's types (null where absent or
    unreadable), source_file, source_row, arrival_date, READING_COLUMNS and FIRST_ARRIVAL_DATE. A
    file source gives the columns of its raw_ table.

    Raises:
        LandingError: a listed file is gone or has another size.
        StorageError: a day of the slice is not closed.
    """
    storage = open_storage(lake)
    arrivals = [Arrival(day, file) for day, file in arrived_files(storage, source, days)]
    if source in FILE_SOURCES:
        return hash_files(spark, lake, arrivals)
    first = first_arrival_day(storage, source) if arrivals else None
    rows = rows_of_parquet_files(spark, lake, source, arrivals)
    return rows.withColumn(FIRST_ARRIVAL_DATE.name, F.lit(first).cast("date"))
