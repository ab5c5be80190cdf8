"""Published tables as views of a Spark session, for readers who write SQL.

    spark = make_spark(load_settings())
    create_views(spark, open_snapshot())
    spark.sql("SELECT * FROM rec_topk WHERE rank = 1")

All views of one call are of one snapshot, so a query that joins them never mixes two runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from feature_store.lake import spark_io
from feature_store.privacy.person_filter import cleaned
from feature_store.privacy.suppression import readers_suppression
from feature_store.settings import load_settings
from feature_store.tables import table_called

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa
    from pyspark.sql import SparkSession

    from feature_store.contract import Table
    from feature_store.privacy.person_filter import Who
    from feature_store.publishing.snapshot import Snapshot


def create_views(spark: SparkSession, snapshot: Snapshot) -> list[str]:
    """Make a temporary view of every published table, without erased people; returns their names.

    The views stay at this snapshot until they are made again.

    Raises:
        PrivacyKeyMissing: this installation's key is not that of the suppression list.
    """
    nobody = readers_suppression(load_settings(lake=snapshot.lake))
    names = [pin.table_name for pin in snapshot.event.tables]
    for name in names:
        table = table_called(name)
        version = snapshot.version_of(table)
        rows = spark_io.read(spark, snapshot.lake, table, as_of=snapshot.as_of, version=version)
        if nobody:
            rows = rows.mapInArrow(_without(table, nobody), rows.schema)
        rows.createOrReplaceTempView(name)
    return names


def _without(
    table: Table, who: Who
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def clean(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        for batch in batches:
            yield from cleaned(table, pa.Table.from_batches([batch]), who).rows.to_batches()

    return clean
