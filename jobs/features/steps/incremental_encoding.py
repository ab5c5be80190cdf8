"""Incremental encoding: feat_audio, feat_lyrics, feat_cover and feat_tags encode only new content.

A Spark worker turns each content into one row of the contract, with features or with the failure
reason. It loads the encoder once per process, when the first content arrives.

A failure reason is a property of the content, and final. Content that the lake does not hold gets
no row: it counts as missing in the night's coverage (jobs/publishing/coverage.py), and the first
night that finds it encodes it. A storage that fails fails the task, which is tried again.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.contract import Table
from feature_store.lake.encoder_rows import IDENTITY_COLUMNS, EncoderIdentity
from feature_store.lake.storage import Storage, open_storage
from feature_store.lake.stored_file import StorageError
from feature_store.settings import Night
from jobs.decoding.failure_reasons import (
    ContentFailure,
    ContentMissing,
    FailureReason,
    check_size,
)

Features = dict[str, object]
Content = Mapping[str, Any]
"""A row of the content to be encoded: content_hash, source and further columns."""
Featurise = Callable[[str, Any], Features]
"""From (content hash, the text or the paths of its files) to the feature columns of one row.

It raises ContentFailure or ContentMissing.
"""


def not_yet_encoded(content: DataFrame, encoded: DataFrame, identity: EncoderIdentity) -> DataFrame:
    """The rows of `content` that have no row of this encoder identity.

    Args:
        content: unique by content_hash.
        encoded: the feature table so far, of all identities.
        identity: the encoder that is to run.
    """
    labelled = content.withColumns({name: F.lit(one) for name, one in asdict(identity).items()})
    key = ["content_hash", *IDENTITY_COLUMNS]
    return labelled.join(encoded, on=key, how="left_anti").select(*content.columns)


def encode(
    new: DataFrame, output: Table, identity: EncoderIdentity, featurise: Featurise, *, night: Night
) -> DataFrame:
    """One row of `output` per row of `new` (content_hash, source) that the lake holds.

    Python workers make them. Columns of `new` that the output has are copied into the row. A
    round-robin repartition into as many tasks as the settings have shuffle partitions lets all
    cores finish together.
    """
    known = [name for name in new.columns if name in output.column_names]
    row_of = partial(feature_row, known=known, identity=identity, featurise=featurise)

    def encode_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield rows_of_batch(batch, row_of, output.arrow_schema)

    balanced = new.select(*known, "source").repartition(night.settings.spark.shuffle_partitions)
    encoded = balanced.mapInArrow(encode_batches, output.spark_schema())
    return encoded.select(*output.column_names)


def feature_row(
    content: Content, *, known: Sequence[str], identity: EncoderIdentity, featurise: Featurise
) -> Features:
    """The row of one content: the columns `known` as they are, the identity, features or a reason.

    Raises:
        ContentMissing: the lake does not hold it.
    """
    make = partial(featurise, content["content_hash"], content["source"])
    return {
        **{name: content[name] for name in known},
        **asdict(identity),
        **features_or_reason(make),
    }


def rows_of_batch(
    batch: pa.RecordBatch, row_of: Callable[[Content], Features], schema: pa.Schema
) -> pa.RecordBatch:
    """The row of each content of a batch that the lake holds.

    Args:
        batch: columns content_hash, source and whatever else `row_of` reads.
        row_of: makes a row; it may raise ContentMissing.
        schema: of the rows.
    """
    rows = []
    for content in batch.to_pylist():
        try:
            rows.append(row_of(content))
        except ContentMissing:
            continue  # no row: a later night finds the content, or misses it again
    return pa.RecordBatch.from_pylist(rows, schema=schema)


def read_content(lake: str, paths: Sequence[str], content_hash: str, *, max_bytes: int) -> bytes:
    """The bytes with this content hash, from the first file of the lake that holds them.

    Args:
        lake: folder or address of the lake.
        paths: the files that arrived with this content, one for each track that has it.
        content_hash: what identifies the content.
        max_bytes: what a worker may hold; a larger file is read to its end, for its hash.

    Raises:
        ContentFailure: the content is larger.
        ContentMissing: no file is there, or all hold other bytes.
        StorageError: a file exists and cannot be read now; a retry may succeed.
    """
    storage = open_storage(lake)
    for path in paths:
        try:
            content, byte_count, found = _read(storage, path, max_bytes)
        except StorageError:
            if storage.exists(path):
                raise
            continue
        if found != content_hash:
            continue
        check_size(byte_count, max_bytes)
        return content
    raise ContentMissing(f"content {content_hash}: none of {list(paths)} holds it")


def _read(storage: Storage, path: str, max_bytes: int) -> tuple[bytes, int, str]:
    """The first bytes of a file, up to a block more than `max_bytes`; its size and its hash."""
    kept, digest, byte_count = io.BytesIO(), hashlib.sha256(), 0
    for block in storage.read_blocks(path):
        digest.update(block)
        if byte_count <= max_bytes:
            kept.write(block)
        byte_count += len(block)
    return kept.getvalue(), byte_count, digest.hexdigest()


def features_or_reason(make: Callable[[], Features]) -> Features:
    """Features, or the failure reason; columns that the result does not name are null."""
    try:
        features = make()
        _check_finite(features)
    except ContentFailure as unusable:
        return {"failure_reason": str(unusable.reason)}
    return features


def _check_finite(features: Features) -> None:
    """Refuse features that are no numbers, which no reader of the table expects.

    Raises:
        ContentFailure: naming the column.
    """
    for name, value in features.items():
        if isinstance(value, float | np.ndarray) and not np.isfinite(value).all():
            raise ContentFailure(
                FailureReason.NOT_FINITE, f"{name} holds values that are no numbers"
            )
