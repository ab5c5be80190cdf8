"""The same night in a bucket publishes equal rows."""

from __future__ import annotations

import pytest

from feature_store.lake.storage import open_storage
from feature_store.publishing.snapshot import open_snapshot
from tests.support import worlds
from tests.support.kills import finished, start_night

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


def test_a_night_in_a_bucket_publishes_the_rows_of_a_night_in_a_folder(bucket, nights, tmp_path):
    address = f"s3://{bucket}/lake"
    worlds.write_tiny_world(open_storage(address))

    tables = finished(start_night(address, tmp_path / "state", worlds.LAST_DAY))["tables"]

    hashes = {name: table["content_sha256"] for name, table in tables.items()}
    local = nights.first["tables"]
    assert hashes == {name: table["content_sha256"] for name, table in local.items()}
    assert len(open_snapshot(address).read("rec_topk")) == local["rec_topk"]["rows"]
