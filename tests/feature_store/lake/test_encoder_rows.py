"""Which encoder's rows count: Spark and Arrow give the same rows, of one identity per table."""

from __future__ import annotations

from dataclasses import asdict, replace

import pyarrow as pa
import pytest

from feature_store.lake.encoder_rows import EncoderIdentity, arrow_rows, identity_of, spark_rows
from feature_store.tables.features import FEAT_AUDIO, FEAT_COVER, FEAT_ENCODERS, FEAT_LYRICS

NIGHT = EncoderIdentity("encoder", "weights", "preprocessing")
OTHERS = [
    replace(NIGHT, encoder_id="other"),
    replace(NIGHT, weights_sha256="other"),
    replace(NIGHT, preprocessing_id="other"),
]


@pytest.fixture
def features():
    """Recording `a` by the night's identity and by three that differ in one part; `b` by one."""
    rows = [{"content_hash": "a", **asdict(identity)} for identity in [NIGHT, *OTHERS]]
    rows.append({"content_hash": "b", **asdict(OTHERS[1])})
    return pa.Table.from_pylist(rows, schema=FEAT_AUDIO.arrow_schema)


@pytest.fixture
def encoders(night):
    """The night reads NIGHT from feat_audio, and another encoder from feat_cover."""
    rows = [
        {"as_of_date": night.as_of, "feature_table": table.name, **asdict(identity)}
        for table, identity in ((FEAT_COVER, OTHERS[0]), (FEAT_AUDIO, NIGHT))
    ]
    return pa.Table.from_pylist(rows, schema=FEAT_ENCODERS.arrow_schema)


def test_only_rows_of_the_night_s_identity_count_in_arrow_and_in_spark(spark, features, encoders):
    counting = arrow_rows(features, identity_of(encoders, FEAT_AUDIO)).to_pylist()
    frame = spark.createDataFrame(features.to_pandas(), FEAT_AUDIO.spark_schema())
    in_spark = spark_rows(
        frame, spark.createDataFrame(encoders.to_pandas(), FEAT_ENCODERS.spark_schema()), FEAT_AUDIO
    ).collect()

    assert [row["content_hash"] for row in counting] == ["a"]
    assert {name: counting[0][name] for name in asdict(NIGHT)} == asdict(NIGHT)
    assert [(row.content_hash, row.encoder_id) for row in in_spark] == [("a", "encoder")]
    assert [row.preprocessing_id for row in in_spark] == ["preprocessing"]


def test_a_table_that_the_night_has_no_content_of_gives_no_row(spark, features, encoders):
    assert identity_of(encoders, FEAT_LYRICS) is None
    assert arrow_rows(features, identity_of(encoders, FEAT_LYRICS)).num_rows == 0
    assert identity_of(encoders, FEAT_AUDIO) == NIGHT
    assert str(NIGHT) == "encoder/weights/preprocessing"


@pytest.mark.parametrize("encoder_id", ["encoder", "transformers:/models/clap"])
def test_an_identity_is_read_back_from_its_text(encoder_id):
    """An encoder's id may be a path."""
    identity = EncoderIdentity(encoder_id, "weights", "preprocessing")

    assert EncoderIdentity.parse(str(identity)) == identity
