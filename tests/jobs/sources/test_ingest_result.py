"""Counts of what sources wrote."""

from jobs.sources.ingest_result import IngestResult


def test_counts_add_up_by_source():
    total = IngestResult({"audio": 2, "tracks": 3}) + IngestResult({"tracks": 4, "tags": 1})
    assert total.counts == {"audio": 2, "tracks": 7, "tags": 1}
