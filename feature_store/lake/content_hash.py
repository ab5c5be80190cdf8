"""Content hashes of tables, independent of the order of rows: one for Spark, one for Arrow.

Both add up a SHA-256 of each row. Spark hashes a row as JSON and Arrow its bytes, so the two hashes
of one table differ, and each table has one kind of writer.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from feature_store.lake.row_records import HASH_BYTES, bytes_of, hashes_of, row_records

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import Column, DataFrame, Observation

    from feature_store.contract import Table

_ROW_HASH = "_row_hash"
_HASH_PARTS = 4
_SUM_TYPE = np.dtype("<u8")  # sums of the hashes' 64-bit parts, modulo 2^64
_ROWS_AT_ONCE = 65_536
_HEX_DIGITS_A_PART = 15  # 60 bits: fits a signed 64-bit integer, and sums of them a DECIMAL(38, 0)


def spark_fingerprint(frame: DataFrame, table: Table) -> tuple[int, str]:
    """Number of rows, and the hash of their content columns."""
    row_count, content_sha256, _ = fingerprint_and_counts(frame, table, {})
    return row_count, content_sha256


def fingerprint_and_counts(
    frame: DataFrame, table: Table, counts: Mapping[str, Column]
) -> tuple[int, str, dict[str, int]]:
    """The fingerprint, and further aggregates by name, in one scan."""
    further = [column.alias(f"count_{number}") for number, column in enumerate(counts.values())]
    totals = _with_row_hash(frame, table).agg(*_totals(), *further).first()
    if totals is None:  # an aggregate without groups always has its one row
        raise AssertionError
    found = totals.asDict()
    counted = {name: found[f"count_{number}"] for number, name in enumerate(counts)}
    return found["row_count"], _digest(found), counted


def observe_fingerprint(frame: DataFrame, table: Table, observation: Observation) -> DataFrame:
    """`frame`, whose write computes its fingerprint into `observation` within the same job."""
    return _with_row_hash(frame, table).observe(observation, *_totals()).drop(_ROW_HASH)


def observed_fingerprint(observation: Observation) -> tuple[int, str]:
    """What `spark_fingerprint` gives for the written rows; waits for the end of the write."""
    totals = observation.get
    return int(totals["row_count"]), _digest(totals)


class ArrowFingerprint:
    """Number and content hash of rows that come in batches of any size and order."""

    def __init__(self, table: Table) -> None:
        self._columns = table.content_columns
        self._sums = np.zeros(HASH_BYTES // _SUM_TYPE.itemsize, dtype=_SUM_TYPE)
        self.row_count = 0

    def update(self, batch: pa.RecordBatch) -> None:
        """Add rows, whose columns have the types of the table's Arrow schema."""
        if batch.num_rows:
            hashes = hashes_of(bytes_of(row_records(batch.select(self._columns))))
            self._sums += hashes.view(_SUM_TYPE).sum(axis=0, dtype=_SUM_TYPE)
            self.row_count += batch.num_rows

    def digest(self) -> str:
        """Hash of the rows so far, and of the names of the columns that it covers."""
        totals = [self._columns, self.row_count, self._sums.tolist()]
        return hashlib.sha256(json.dumps(totals).encode()).hexdigest()


def arrow_content_sha256(table: Table, rows: pa.Table) -> str:
    """The digest of an ArrowFingerprint over a whole table."""
    fingerprint = ArrowFingerprint(table)
    for batch in rows.cast(table.arrow_schema).to_batches(max_chunksize=_ROWS_AT_ONCE):
        fingerprint.update(batch)
    return fingerprint.digest()


def _with_row_hash(frame: DataFrame, table: Table) -> DataFrame:
    """`frame` with the SHA-256 of each row's content as JSON."""
    from pyspark.sql import functions as F

    content = F.struct(*[frame[name] for name in table.content_columns])
    as_json = F.to_json(content, {"ignoreNullFields": "false"})
    return frame.withColumn(_ROW_HASH, F.sha2(as_json, 256))


def _totals() -> Sequence[Column]:
    """Row count, and sums of the parts of the row hashes; integer sums have no order."""
    from pyspark.sql import functions as F

    starts = range(1, 1 + _HASH_PARTS * _HEX_DIGITS_A_PART, _HEX_DIGITS_A_PART)
    parts = [
        F.sum(
            F.conv(F.substring(_ROW_HASH, start, _HEX_DIGITS_A_PART), 16, 10).cast("decimal(20,0)")
        ).alias(f"part_{number}")
        for number, start in enumerate(starts)
    ]
    return [F.count(F.lit(1)).alias("row_count"), *parts]


def _digest(totals: dict[str, object]) -> str:
    parts = [str(totals[f"part_{part}"] or 0) for part in range(_HASH_PARTS)]
    return hashlib.sha256(":".join([str(totals["row_count"]), *parts]).encode()).hexdigest()
