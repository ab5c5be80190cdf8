"""The same night in a bucket: equal rows, and writers that do not lose each other's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from feature_store.snapshot import open_snapshot
from feature_store.storage import open_storage
from tests import worlds
from tests.nights import LISTS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

EVENSONG = Path(sys.executable).with_name("evensong")


@pytest.fixture(scope="module")
def lake(object_store, tmp_path_factory):
    """A bucket with the tiny world's landing files, and the variables with which a command finds it."""
    import boto3

    os.environ.update(object_store)
    boto3.client("s3").create_bucket(Bucket="a-night")
    address = "s3://a-night/lake"
    worlds.write_tiny_world(open_storage(address))
    yield (
        address,
        object_store
        | LISTS
        | {"EVENSONG_LAKE": address, "EVENSONG_STATE": str(tmp_path_factory.mktemp("state"))},
    )
    for name in object_store:
        del os.environ[name]


def test_a_night_in_a_bucket_publishes_the_rows_of_a_night_in_a_folder(lake, nights):
    address, variables = lake

    said = subprocess.run(
        [EVENSONG, "night", "--as-of", str(worlds.LAST_DAY), "--json"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | variables,
    )

    assert said.returncode == 0, said.stderr[-2000:]
    hashes = {
        name: table["content_sha256"]
        for name, table in json.loads(said.stdout.splitlines()[-1])["tables"].items()
    }
    local = nights.first["tables"]
    assert hashes == {name: table["content_sha256"] for name, table in local.items()}
    assert len(open_snapshot(address).read("rec_topk")) == local["rec_topk"]["rows"]
