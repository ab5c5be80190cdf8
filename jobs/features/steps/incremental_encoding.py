"""Incremental encoding: feat_audio, feat_lyrics, feat_cover and feat_tags encode only new content.

A Spark worker turns each content into one row of the contract, with features or with the failure
reason. It loads the encoder once per process, when the first content arrives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.contract import Table
from feature_store.lake.encoder_rows import IDENTITY_COLUMNS, EncoderIdentity
from feature_store.lake.storage import StorageError, open_storage, sha256_of
from feature_store.settings import Night
from jobs.encoders.failure_reasons import ContentFailure, FailureReason

Features = dict[str, object]
Featurise = Callable[[str, str | None], Features]
"""From (content hash, where the content is) to the feature columns of one row."""


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
    """One row of `output` per row of `new` (content_hash, source), made in Python workers.

    Columns of `new` that the output has are copied into the row. A round-robin repartition into
    as many tasks as the settings have shuffle partitions lets all cores finish together.
    """
    known = [name for name in new.columns if name in output.column_names]

    def encode_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            rows = [
                {
                    **{name: content[name] for name in known},
                    **asdict(identity),
                    **_features_or_reason(featurise, content["content_hash"], content["source"]),
                }
                for content in batch.to_pylist()
            ]
            yield pa.RecordBatch.from_pylist(rows, schema=output.arrow_schema)

    balanced = new.select(*known, "source").repartition(night.settings.spark.shuffle_partitions)
    encoded = balanced.mapInArrow(encode_batches, output.spark_schema())
    return encoded.select(*output.column_names)


def read_content(lake: str, path: str | None, content_hash: str) -> bytes:
    """The bytes of a file of the lake, checked against its content hash.

    Raises:
        ContentFailure: the file is gone, or holds other bytes.
        StorageError: the file exists and cannot be read now; a retry may succeed.
    """
    storage = open_storage(lake)
    if path is None:
        raise ContentFailure(
            FailureReason.MISSING_FILE, f"no path is known for content {content_hash}"
        )
    try:
        content = storage.read(path)
    except StorageError as error:
        if storage.exists(path):
            raise
        raise ContentFailure(FailureReason.MISSING_FILE, str(error)) from error
    if (found := sha256_of(content)) != content_hash:
        raise ContentFailure(
            FailureReason.CHANGED_FILE,
            f"{storage.uri(path)} holds content {found}, not {content_hash}",
        )
    return content


def _features_or_reason(featurise: Featurise, content_hash: str, source: str | None) -> Features:
    """Features, or the failure reason; columns that the result does not name are null."""
    try:
        return featurise(content_hash, source)
    except ContentFailure as unusable:
        return {"failure_reason": str(unusable.reason)}
