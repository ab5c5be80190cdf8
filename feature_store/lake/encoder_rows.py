"""Which encoder's rows of a feature table count: one rule for Spark, Arrow, gates and training.

A feature table holds the rows of every encoder, weights and preprocessing that ever ran. A night
reads one encoder identity per table: the one that the night's slice of feat_encoders names. Rows
of every other identity are invisible, so a changed setting or an upgraded library adds rows and
doubles nothing. A model that learned from another identity must be trained again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

    from feature_store.contract import Table

IDENTITY_COLUMNS = ("encoder_id", "weights_sha256", "preprocessing_id")


@dataclass(frozen=True, slots=True)
class EncoderIdentity:
    """The key columns that an encoder gives to each of its rows."""

    encoder_id: str
    weights_sha256: str
    preprocessing_id: str

    def __str__(self) -> str:
        """The three parts, as error messages and checkpoints name them."""
        return f"{self.encoder_id}/{self.weights_sha256}/{self.preprocessing_id}"

    @classmethod
    def parse(cls, text: str) -> EncoderIdentity:
        """The identity that `str` gave; an encoder's id may hold slashes, the others hold none."""
        return cls(*text.rsplit("/", 2))


def spark_rows(features: DataFrame, encoders: DataFrame, table: Table) -> DataFrame:
    """The rows of `features` that count for the night; unique by content_hash.

    Args:
        features: all rows of a feature table.
        encoders: the night's slice of feat_encoders.
        table: the feature table that `features` comes from.
    """
    from pyspark.sql import functions as F

    identity = encoders.where(F.col("feature_table") == table.name).select(*IDENTITY_COLUMNS)
    return features.join(F.broadcast(identity), on=list(IDENTITY_COLUMNS), how="left_semi")


def arrow_rows(features: pa.Table, identity: EncoderIdentity | None) -> pa.Table:
    """The same rule for Arrow tables; the order of `features` stays."""
    import pyarrow.compute as pc

    if identity is None:
        return features.slice(0, 0)
    counts = pc.equal(features["encoder_id"], identity.encoder_id)
    counts = pc.and_(counts, pc.equal(features["weights_sha256"], identity.weights_sha256))
    counts = pc.and_(counts, pc.equal(features["preprocessing_id"], identity.preprocessing_id))
    return features.filter(counts)


def identity_of(encoders: pa.Table, table: Table) -> EncoderIdentity | None:
    """The identity that the night reads from `table`; None when the catalogue has no such content.

    Args:
        encoders: the night's slice of feat_encoders.
        table: a feature table.
    """
    for row in encoders.to_pylist():
        if row["feature_table"] == table.name:
            return EncoderIdentity(*(row[name] for name in IDENTITY_COLUMNS))
    return None
