"""What the jobs of feat_audio, feat_lyrics, feat_cover and feat_tags share: only new is encoded.

A worker turns each pending content into one row of the contract, features or the reason why there
are none. The encoder is loaded once per worker process, when the first content reaches it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from feature_store.contract import Table
from feature_store.lake.storage import StorageError, open_storage, sha256_of
from feature_store.settings import Night
from jobs.encoders.failure_reasons import Reason, UnusableContent
from jobs.encoders.identity import Identity

Features = dict[str, object]
# From (content hash, where the content is) to the feature columns of one row.
Featurise = Callable[[str, str | None], Features]


def pending_content(content: DataFrame, encoded: DataFrame, identity: Identity) -> DataFrame:
    """The rows of `content` whose hash this very encoder has not seen.

    Args:
        content: unique by content_hash.
        encoded: the feature table so far, of all encoders.
        identity: the encoder that is to run.
    """
    return content.join(of_encoder(encoded, identity), on="content_hash", how="left_anti")


def of_encoder(encoded: DataFrame, identity: Identity) -> DataFrame:
    """The rows of a feature table that an encoder made; unique by content_hash."""
    return encoded.where(
        (F.col("encoder_id") == identity.encoder_id)
        & (F.col("weights_sha256") == identity.weights_sha256)
        & (F.col("preprocessing_id") == identity.preprocessing_id)
    )


def encode(
    pending: DataFrame, output: Table, identity: Identity, featurise: Featurise, *, night: Night
) -> DataFrame:
    """One row of `output` per row of `pending` (content_hash, source), made in Python workers.

    Columns of `pending` that the output has go into the row as they are, with features or without.
    Content is dealt out one by one to as many tasks as the settings have shuffle partitions, so
    that cores finish together.
    """
    known = [name for name in pending.columns if name in output.column_names]

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

    dealt_out = pending.select(*known, "source").repartition(
        night.settings.spark.shuffle_partitions
    )
    encoded = dealt_out.mapInArrow(encode_batches, output.spark_schema())
    return encoded.select(*output.column_names)


def read_content(lake: str, path: str | None, content_hash: str) -> bytes:
    """The bytes of a file of the lake, if they are still those of the hash.

    Raises:
        UnusableContent: the file is gone, or holds other bytes.
        StorageError: the file is there and cannot be read, which another try may mend.
    """
    storage = open_storage(lake)
    if path is None:
        raise UnusableContent(Reason.MISSING_FILE, f"no path is known for content {content_hash}")
    try:
        content = storage.read(path)
    except StorageError as error:
        if storage.exists(path):
            raise
        raise UnusableContent(Reason.MISSING_FILE, str(error)) from error
    if (found := sha256_of(content)) != content_hash:
        raise UnusableContent(
            Reason.CHANGED_FILE, f"{storage.uri(path)} holds content {found}, not {content_hash}"
        )
    return content


def _features_or_reason(featurise: Featurise, content_hash: str, source: str | None) -> Features:
    """Features with no reason, or the reason; columns that are not named are null."""
    try:
        return featurise(content_hash, source)
    except UnusableContent as unusable:
        return {"failure_reason": str(unusable.reason)}
