"""feat_tags: each tag once, whoever gave it, and each by itself."""

from __future__ import annotations

import numpy as np
import pytest

from feature_store.lake.storage import sha256_of
from feature_store.tables.core import CORE_TAGS
from feature_store.tables.features import FEAT_TAGS
from jobs.features import tags
from tests.jobs.features.worlds import frame


def given(spark, night, *events):
    """core_tags rows of (tag, user); user None is the catalogue."""
    rows = [
        {
            "tag_event_id": f"e{number}",
            "track_id": f"t{number}",
            "tag": tag,
            "user_id": user,
            "known_from_date": night.as_of,
        }
        for number, (tag, user) in enumerate(events)
    ]
    return frame(spark, CORE_TAGS, rows)


def test_each_tag_is_encoded_once(spark, night):
    """Three listeners and the catalogue gave three tags; the second night finds nothing new."""
    events = given(
        spark, night, ("rock", "ann"), ("rock", None), ("bossa nova", "ann"), ("1980", "bo")
    )
    nothing = frame(spark, FEAT_TAGS, [])

    rows = tags.build(events, nothing, night=night).collect()

    found = {row.tag: row for row in rows}
    assert len(rows) == 3
    assert {tag: row.content_hash for tag, row in found.items()} == {
        tag: sha256_of(tag.encode()) for tag in ("rock", "bossa nova", "1980")
    }
    assert np.linalg.norm(found["rock"].tag_embedding) == pytest.approx(1.0)
    assert found["rock"].failure_reason is None
    assert found["1980"].tag_embedding is None
    assert found["1980"].failure_reason == "no_words"
    read = spark.createDataFrame(rows, FEAT_TAGS.spark_schema())
    assert tags.build(events, read, night=night).collect() == []


def test_the_embedding_of_a_tag_depends_on_no_other_tag(spark, night):
    """Bit-equal alone and among other tags, because rows are compared by hash."""
    nothing = frame(spark, FEAT_TAGS, [])

    alone = tags.build(given(spark, night, ("rock", "ann")), nothing, night=night).collect()
    with_others = tags.build(
        given(spark, night, ("música popular brasileira", "ann"), ("rock", "bo"), ("jazz", "bo")),
        nothing,
        night=night,
    ).collect()

    [rock] = [row for row in with_others if row.tag == "rock"]
    assert alone == [rock]
