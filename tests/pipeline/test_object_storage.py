"""A night in a bucket publishes the same rows as in a folder."""

from __future__ import annotations

import pytest

from feature_store.lake.storage import open_storage
from feature_store.publishing.snapshot import open_snapshot
from tests.support import toy_dataset
from tests.support.night_processes import start_night, wait_for_summary

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


def test_a_night_in_a_bucket_publishes_the_rows_of_a_night_in_a_folder(bucket, nights, tmp_path):
    address = f"s3://{bucket}/lake"
    toy_dataset.land_toy_dataset(open_storage(address))

    tables = wait_for_summary(start_night(address, tmp_path / "state", toy_dataset.LAST_DAY))[
        "tables"
    ]

    hashes = {name: table["content_sha256"] for name, table in tables.items()}
    local = nights.first["tables"]
    assert hashes == {name: table["content_sha256"] for name, table in local.items()}
    assert len(open_snapshot(address).read("rec_topk")) == local["rec_topk"]["rows"]
