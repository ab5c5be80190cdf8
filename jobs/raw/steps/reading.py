"""Landing files of any schema as one Spark frame in the contract's types.

Files of one source may differ: a column is missing, or an id is a number in one file and text in
another. The reader groups the files by schema and casts each group to the contract's types. A value
that cannot be cast and a file that is no Parquet become rows with a reading_reason, so that a bad
file neither stops the night nor goes unreported.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import reduce

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession

from feature_store.lake.storage import Storage, open_storage
from jobs.inputs import Slice
from jobs.landing.layout import FILE_SOURCES
from jobs.landing.manifests import arrived_files
from jobs.raw.steps.file_hashes import hash_files
from jobs.raw.steps.landing_schema import Arrival
from jobs.raw.steps.parquet_rows import rows_of_parquet_files
from jobs.raw.steps.unreadable_files import rows_of_unreadable_files


def read_landing(spark: SparkSession, lake: str, source: str, days: Slice) -> DataFrame:
    """The rows or files of one source that the manifests of `days` list.

    A row source gives its landing columns in the contract's types (null where absent or
    unreadable), source_file, source_row, arrival_date and READING_COLUMNS. A file source gives the
    columns of its raw_ table.

    Raises:
        LandingError: a listed file is gone or has another size.
        StorageError: a day of the slice is not closed.
    """
    storage = open_storage(lake)
    arrivals = [Arrival(day, file) for day, file in arrived_files(storage, source, days)]
    if source in FILE_SOURCES:
        return hash_files(spark, lake, arrivals)
    return _read_rows(spark, storage, source, arrivals)


def _read_rows(
    spark: SparkSession, storage: Storage, source: str, arrivals: Sequence[Arrival]
) -> DataFrame:
    groups, unreadable = _by_schema(storage, arrivals)
    frames = []
    for group in groups:
        try:
            frames.append(rows_of_parquet_files(spark, storage, source, group))
        except AnalysisException as error:  # a Parquet type that Spark does not have
            unreadable += [(each, str(error)) for each in group]
    if unreadable or not frames:
        frames.append(rows_of_unreadable_files(spark, storage, source, unreadable))
    return reduce(lambda above, below: above.unionByName(below), frames)


def _by_schema(
    storage: Storage, arrivals: Sequence[Arrival]
) -> tuple[list[list[Arrival]], list[tuple[Arrival, str]]]:
    """Files grouped by their Parquet schema, and files with an unreadable footer and its error."""
    groups: dict[pa.Schema, list[Arrival]] = defaultdict(list)
    unreadable = []
    for each in arrivals:
        filesystem, path = fs.FileSystem.from_uri(storage.uri(each.file.path))
        try:
            schema = pq.read_schema(path, filesystem=filesystem).remove_metadata()
        except (pa.ArrowException, OSError) as error:
            unreadable.append((each, str(error)))
        else:
            groups[schema].append(each)
    return list(groups.values()), unreadable
