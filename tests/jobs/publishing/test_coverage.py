"""Coverage counts tracks whose content has features, and names how many are pending."""

from __future__ import annotations

from dataclasses import asdict

import pyarrow as pa

from feature_store.lake.arrow_io import append, write_slice
from feature_store.lake.encoder_rows import EncoderIdentity
from feature_store.tables.features import (
    FEAT_AUDIO,
    FEAT_COVER,
    FEAT_ENCODERS,
    FEAT_LYRICS,
    FEAT_TRACK_TAGS,
)
from feature_store.tables.graph import GRAPH_TRACK_HAS_TAG
from jobs.publishing.coverage import coverage_metrics
from tests.jobs.features.worlds import tracks

ENCODER = asdict(EncoderIdentity("encoder", "weights", "preprocessing"))


def rows_of(table, rows):
    return pa.Table.from_pylist(rows, schema=table.arrow_schema)


def test_pending_content_lacks_features_and_is_counted_in_the_message(spark, night):
    """Of five tracks with audio one has features, one is broken, and three wait for two files."""
    lake, as_of = night.settings.lake, night.as_of
    encoders = [
        {"as_of_date": as_of, "feature_table": table.name, **ENCODER}
        for table in (FEAT_AUDIO, FEAT_LYRICS, FEAT_COVER)
    ]
    write_slice(lake, FEAT_ENCODERS, rows_of(FEAT_ENCODERS, encoders), as_of=as_of)
    audio = [
        {"content_hash": "good", **ENCODER},
        {"content_hash": "broken", "failure_reason": "unreadable", **ENCODER},
        {"content_hash": "gone", **ENCODER, "weights_sha256": "another encoder's"},
    ]
    append(lake, FEAT_AUDIO, rows_of(FEAT_AUDIO, audio))
    append(lake, FEAT_LYRICS, rows_of(FEAT_LYRICS, [{"content_hash": "words", **ENCODER}]))
    append(lake, FEAT_COVER, rows_of(FEAT_COVER, []))
    for table in (FEAT_TRACK_TAGS, GRAPH_TRACK_HAS_TAG):
        write_slice(lake, table, rows_of(table, []), as_of=as_of)
    hashes = ("good", "broken", "gone", "gone", "lost")
    catalogue = tracks(
        spark, night, *({"audio_hash": name} for name in hashes), {"lyrics_hash": "words"}
    )

    found = {
        metric.rule: (metric.value, metric.examples)
        for metric in coverage_metrics(spark, catalogue, night)
    }

    assert found["audio_coverage_ratio"] == (1 / 5, "3 tracks whose audio was not in the lake")
    assert found["lyrics_coverage_ratio"] == (1.0, "")
    assert found["cover_coverage_ratio"][1] == found["tags_coverage_ratio"][1] == ""
