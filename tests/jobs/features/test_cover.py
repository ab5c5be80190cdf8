"""feat_cover: new pictures only, each once, and broken ones with their reason."""

from __future__ import annotations

import pytest

from feature_store.lake.storage import sha256_of
from feature_store.tables.features import FEAT_COVER
from jobs.features import cover
from tests.jobs.features.worlds import frame, plain_cover, put, tracks


def test_an_album_s_cover_is_encoded_once(spark, night):
    """Two tracks of an album share a cover; the third has a truncated one, the fourth another file's bytes.

    These are no property of the fourth cover: it is encoded when they are right.
    """
    red = plain_cover(255, 0, 0)
    same_cover = put(night, "landing/covers/t0.png", red)
    put(night, "landing/covers/t1.png", red)
    truncated = put(night, "landing/covers/t2.png", red[:60])
    put(night, "landing/covers/t3.png", plain_cover(0, 0, 255))
    expected_green = sha256_of(plain_cover(0, 255, 0))
    catalogue = tracks(
        spark,
        night,
        {"cover_hash": same_cover, "cover_uri": "landing/covers/t0.png"},
        {"cover_hash": same_cover, "cover_uri": "landing/covers/t1.png"},
        {"cover_hash": truncated, "cover_uri": "landing/covers/t2.png"},
        {"cover_hash": expected_green, "cover_uri": "landing/covers/t3.png"},
        {},
    )

    rows = cover.build(catalogue, frame(spark, FEAT_COVER, []), night=night).collect()

    assert {row.content_hash: row.failure_reason for row in rows} == {
        same_cover: None,
        truncated: "unreadable",
    }
    found = {row.content_hash: row for row in rows}
    assert len(found[same_cover].cover_embedding) == 1280
    # Red: one colour, full saturation, hue 0, and the brightness of its L*, 53.24.
    assert (len(found[same_cover].palette_lab), len(found[same_cover].palette_weights)) == (15, 5)
    assert found[same_cover].palette_weights == [1, 0, 0, 0, 0]
    assert found[same_cover].brightness == pytest.approx(0.5324)
    assert (found[same_cover].saturation, found[same_cover].dominant_hue_deg) == (1, 0)
    assert found[same_cover].edge_density_ratio == 0
    described = FEAT_COVER.column_names[FEAT_COVER.column_names.index("cover_embedding") : -1]
    assert len(described) == 7
    assert [found[truncated][name] for name in described] == [None] * 7
    seen = spark.createDataFrame(rows, FEAT_COVER.spark_schema())
    assert cover.build(catalogue, seen, night=night).collect() == []
    put(night, "landing/covers/t3.png", plain_cover(0, 255, 0))
    [green] = cover.build(catalogue, seen, night=night).collect()
    assert (green.content_hash, green.failure_reason) == (expected_green, None)
