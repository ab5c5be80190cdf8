"""feat_lyrics: new texts only, each once, and texts without words with their reason."""

from __future__ import annotations

import numpy as np
import pytest

from feature_store.lake.storage import sha256_of
from feature_store.tables.features import FEAT_LYRICS
from feature_store.tables.raw import RAW_LYRICS
from jobs.features import lyrics
from tests.jobs.features.worlds import frame, tracks

HAPPY, WORDLESS, UNSENT = "I love this wonderful day", "♪ ♪", "never arrived"
IN_UTF_16, LONG = HAPPY.encode("utf-16-le").decode(), "call me Ishmael " * 10_000


def arrival(night, row, text):
    return {
        "track_id": f"t{row}",
        "lyrics_text": text,
        "content_hash": sha256_of(text.encode()),
        "source_file": "landing/lyrics/part-0.parquet",
        "source_row": row,
        "arrival_date": night.as_of,
    }


@pytest.fixture
def world(spark, night):
    """Two tracks with the same happy words, one instrumental, one whose text never came, three bad texts.

    These are notes only, words in UTF-16, and a book.
    """
    bad = (WORDLESS, IN_UTF_16, LONG)
    catalogue = tracks(
        spark,
        night,
        *({"lyrics_hash": sha256_of(text.encode())} for text in (HAPPY, HAPPY, UNSENT, *bad)),
        {},
    )
    arrived = [arrival(night, row, text) for row, text in enumerate((HAPPY, HAPPY, *bad))]
    return catalogue, frame(spark, RAW_LYRICS, arrived)


def test_each_text_is_encoded_once(spark, night, world):
    """Six tracks with words hold five texts, of which four came; the second night finds nothing new."""
    catalogue, texts = world
    nothing = frame(spark, FEAT_LYRICS, [])

    rows = lyrics.build(catalogue, nothing, texts, night=night).collect()

    found = {row.content_hash: row for row in rows}
    assert len(rows) == len(found) == 4
    happy = found[sha256_of(HAPPY.encode())]
    assert np.linalg.norm(happy.lyrics_embedding) == pytest.approx(1.0)
    assert happy.sentiment_compound > 0.5
    assert 0 < happy.emotional_load_ratio < 1
    assert happy.failure_reason is None
    assert (happy.language, happy.line_count, happy.word_count) == ("en", 1, 5)
    assert happy.language_confidence > 0.7
    assert (happy.repetition_ratio, happy.explicit_ratio) == (0, 0)
    assert found[sha256_of(WORDLESS.encode())].failure_reason == "no_words"
    described = FEAT_LYRICS.column_names[FEAT_LYRICS.column_names.index("lyrics_embedding") : -1]
    assert len(described) == 9
    assert [found[sha256_of(WORDLESS.encode())][name] for name in described] == [None] * 9
    assert found[sha256_of(IN_UTF_16.encode())].failure_reason == "not_utf8"
    assert found[sha256_of(LONG.encode())].failure_reason == "too_large"

    read = spark.createDataFrame(rows, FEAT_LYRICS.spark_schema())
    assert lyrics.build(catalogue, read, texts, night=night).collect() == []


def test_a_text_that_comes_late_is_encoded_then(spark, night, world):
    """Its absence is no property of the text, so nothing is stored for it."""
    catalogue, texts = world
    nothing = frame(spark, FEAT_LYRICS, [])
    first = lyrics.build(catalogue, nothing, texts, night=night).collect()
    read = spark.createDataFrame(first, FEAT_LYRICS.spark_schema())
    sent = frame(spark, RAW_LYRICS, [arrival(night, 9, UNSENT)])

    [late] = lyrics.build(catalogue, read, texts.unionByName(sent), night=night).collect()

    assert (late.content_hash, late.failure_reason) == (sha256_of(UNSENT.encode()), None)
    assert len(late.lyrics_embedding) == 384
