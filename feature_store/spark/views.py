"""Published tables as temporary views of a Spark session, for SQL.

    spark = make_spark(load_settings())
    create_views(spark, open_snapshot())
    spark.sql("SELECT * FROM rec_topk WHERE rank = 1")

All views of one call show one snapshot, so a query that joins them never mixes two runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from feature_store.lake import spark_io
from feature_store.privacy.row_erasure import erase_from_rows
from feature_store.privacy.suppression import reader_suppression_list
from feature_store.settings import load_settings
from feature_store.tables import table_called

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa
    from pyspark.sql import SparkSession

    from feature_store.contract import Table
    from feature_store.privacy.person_filter import PersonFilter
    from feature_store.publishing.snapshot import Snapshot


def create_views(spark: SparkSession, snapshot: Snapshot) -> list[str]:
    """Create a temporary view of every published table, without erased people; returns their names.

    The views show this snapshot until `create_views` is called again.

    Raises:
        PrivacyKeyMissing: this installation's key is not that of the suppression list.
    """
    suppression_list = reader_suppression_list(load_settings(lake=snapshot.lake))
    names = [pin.table_name for pin in snapshot.event.tables]
    for name in names:
        table = table_called(name)
        version = snapshot.version_of(table)
        rows = spark_io.read(spark, snapshot.lake, table, as_of=snapshot.as_of, version=version)
        if suppression_list:
            rows = rows.mapInArrow(_erase_batches(table, suppression_list), rows.schema)
        rows.createOrReplaceTempView(name)
    return names


def _erase_batches(
    table: Table, person_filter: PersonFilter
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def erase(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        for batch in batches:
            yield from erase_from_rows(
                table, pa.Table.from_batches([batch]), person_filter
            ).rows.to_batches()

    return erase
