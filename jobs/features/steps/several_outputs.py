"""Encodes content for several tables in one pass: audio is decoded once for audio and mel.

A content is read when any of the tables lacks its row, and only those tables get one. The frame has
a struct column for each table, null where a content has no new row; the runner writes each table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial, reduce
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructField, StructType

from feature_store.contract import Table
from feature_store.lake.encoder_rows import EncoderIdentity
from feature_store.settings import Night
from jobs.decoding.failure_reasons import ContentFailure
from jobs.features.steps.incremental_encoding import (
    Content,
    Features,
    features_or_reason,
    rows_of_batch,
)

Identities = Mapping[Table, EncoderIdentity | None]
"""By output, the identity of its rows; None for an output that the settings do not want."""

Featurise = Callable[[str, Any], Mapping[str, Callable[[], Features]]]
"""From (content hash, source) to functions by table name, which make the columns of its row.

Both may raise ContentFailure: the first for every table, a function for its own. The first may
raise ContentMissing.
"""

ROWS_AT_ONCE = 32  # of 320 kB each: a worker holds these, and Spark one batch of them


def lacking(
    content: DataFrame, encoded: Mapping[Table, DataFrame], identities: Identities
) -> DataFrame:
    """The rows of `content` that any table lacks, with the column `lacking`: those tables' names.

    Args:
        content: unique by content_hash.
        encoded: each feature table so far, of all identities.
        identities: those whose rows count.
    """
    required = {table: identity for table, identity in identities.items() if identity is not None}
    found = content
    for table, identity in required.items():
        same = [F.col(name) == value for name, value in asdict(identity).items()]
        there = encoded[table].where(reduce(lambda one, other: one & other, same))
        found = found.join(
            there.select("content_hash", F.lit(table.name).alias(f"in_{table.name}")),
            on="content_hash",
            how="left",
        )
    missing = [F.when(F.col(f"in_{table.name}").isNull(), F.lit(table.name)) for table in required]
    names = F.array_compact(F.array(*missing)) if missing else F.array().cast("array<string>")
    return found.select(*content.columns, names.alias("lacking")).where(F.size("lacking") > 0)


def encode_several(
    new: DataFrame, identities: Identities, featurise: Featurise, *, night: Night
) -> DataFrame:
    """A struct column for each output, with one row per row of `new` that the lake holds.

    Args:
        new: columns content_hash, source, and `lacking`.
        identities: of every output.
        featurise: makes the columns of the rows.
        night: its settings say how many tasks share the work.
    """
    schema = StructType([StructField(table.name, table.spark_schema()) for table in identities])
    arrow_schema = pa.schema(
        [pa.field(table.name, pa.struct(list(table.arrow_schema))) for table in identities]
    )
    row_of = partial(_rows, identities=identities, featurise=featurise)

    def encode_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for start in range(0, batch.num_rows, ROWS_AT_ONCE):
                part = batch.slice(start, ROWS_AT_ONCE)
                yield rows_of_batch(part, row_of, arrow_schema)

    balanced = new.repartition(night.settings.spark.shuffle_partitions)
    return balanced.mapInArrow(encode_batches, schema)


def _rows(content: Content, identities: Identities, featurise: Featurise) -> Features:
    """By table, the row of one content; None where the table has one already."""
    content_hash, lacks = content["content_hash"], content["lacking"]
    makers = _makers(content_hash, content["source"], lacks, featurise)
    rows: Features = {}
    for table, identity in identities.items():
        rows[table.name] = None
        if table.name in lacks and identity is not None:
            key = {"content_hash": content_hash, **asdict(identity)}
            rows[table.name] = {**key, **features_or_reason(makers[table.name])}
    return rows


def _makers(
    content_hash: str, source: Any, names: Sequence[str], featurise: Featurise
) -> Mapping[str, Callable[[], Features]]:
    """What makes each table's columns; each raises the failure of a content that fails for all."""
    try:
        return featurise(content_hash, source)
    except ContentFailure as failure:
        error = failure

        def fail() -> Features:
            raise error

        return dict.fromkeys(names, fail)
