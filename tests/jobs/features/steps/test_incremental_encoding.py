"""What is stored of content: features or a reason of its own; never a passing trouble."""

from __future__ import annotations

from functools import partial

import numpy as np
import pyarrow as pa
import pytest

from feature_store.lake.encoder_rows import EncoderIdentity
from feature_store.lake.storage import sha256_of
from feature_store.lake.stored_file import StorageError
from feature_store.tables.features import FEAT_COVER
from jobs.decoding.failure_reasons import ContentFailure, ContentMissing, FailureReason
from jobs.features.steps.incremental_encoding import feature_row, read_content, rows_of_batch
from tests.jobs.features.worlds import put

WORDS, OTHERS = b"the right bytes", b"other bytes"


def read(night, *paths, max_bytes=1_000):
    return read_content(night.settings.lake, paths, sha256_of(WORDS), max_bytes=max_bytes)


def test_the_first_file_that_holds_the_content_is_read(night):
    """Three tracks share it: the file of one is gone, that of another was replaced."""
    put(night, "landing/audio/b.wav", OTHERS)
    put(night, "landing/audio/c.wav", WORDS)

    assert read(night, *(f"landing/audio/{name}.wav" for name in "abc")) == WORDS


@pytest.mark.parametrize("paths", [(), ("landing/audio/a.wav",), ("landing/audio/b.wav",)])
def test_content_that_no_file_holds_is_missing(night, paths):
    put(night, "landing/audio/b.wav", OTHERS)
    with pytest.raises(ContentMissing, match=sha256_of(WORDS)):
        read(night, *paths)


def test_a_storage_that_fails_is_raised():
    """The kernel answers a read of this file with EIO, as a disk that fails does."""
    with pytest.raises(StorageError, match="cannot be read: Input/output error"):
        read_content("/proc/self", ["mem"], sha256_of(WORDS), max_bytes=1_000)


def test_content_above_the_limit_is_too_large(night):
    """A file of that size that holds other bytes says nothing about the content."""
    put(night, "landing/audio/a.wav", WORDS)
    with pytest.raises(ContentFailure) as raised:
        read(night, "landing/audio/a.wav", max_bytes=len(WORDS) - 1)
    assert raised.value.reason is FailureReason.TOO_LARGE
    assert read(night, "landing/audio/a.wav", max_bytes=len(WORDS)) == WORDS
    put(night, "landing/audio/a.wav", OTHERS)
    with pytest.raises(ContentMissing):
        read(night, "landing/audio/a.wav", max_bytes=len(OTHERS) - 1)


def encoded(*sources):
    """failure_reason by content of a batch, whose features are what `sources` maps to."""
    batch = pa.RecordBatch.from_pylist(
        [{"content_hash": str(number), "source": source} for number, source in enumerate(sources)],
        schema=pa.schema([("content_hash", pa.string()), ("source", pa.string())]),
    )
    features = {
        "good": {"cover_embedding": np.ones(3, np.float32)},
        "nan": {"cover_embedding": np.array([1, np.nan, 1], np.float32)},
        "inf": {"cover_embedding": np.array([1, np.inf, 1], np.float32)},
    }

    def featurise(content_hash, source):
        if source == "gone":
            raise ContentMissing(content_hash)
        if source == "short":
            raise ContentFailure(FailureReason.TOO_SHORT, content_hash)
        return features[source]

    row_of = partial(
        feature_row,
        known=["content_hash"],
        identity=EncoderIdentity("e", "w", "p"),
        featurise=featurise,
    )
    rows = rows_of_batch(batch, row_of, FEAT_COVER.arrow_schema).to_pylist()
    assert all((row["cover_embedding"] is None) == bool(row["failure_reason"]) for row in rows)
    return {row["content_hash"]: row["failure_reason"] for row in rows}


def test_each_content_ends_as_features_or_a_reason_or_stays_pending():
    assert encoded("good", "short", "gone", "good") == {"0": None, "1": "too_short", "3": None}


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_features_that_are_no_numbers_are_a_reason(value):
    """Readers compute means and distances with them."""
    assert encoded(value, "good") == {"0": "not_finite", "1": None}


def test_a_batch_without_any_content_in_the_lake_has_no_row():
    assert encoded("gone") == {}
