"""A night in a bucket publishes the same rows as in a folder, also when the store fails now and then."""

from __future__ import annotations

from collections import Counter

import pytest

from feature_store.lake.arrow_io import read_table
from feature_store.lake.storage import open_storage
from feature_store.publishing.snapshot import open_snapshot
from feature_store.tables.runs import RUN_METRICS
from tests.support import toy_dataset
from tests.support.failing_proxy import FAULTS, failing_proxy
from tests.support.lake_contents import event_actions
from tests.support.night_processes import start_night, wait_for_summary

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]


@pytest.fixture
def lake(bucket):
    address = f"s3://{bucket}/lake"
    toy_dataset.land_toy_dataset(open_storage(address))
    return address


def check_equal_to_a_night_in_a_folder(lake, tables, nights):
    """Same tables with the same rows, one event, and each task once in the run's own records."""
    hashes = {name: table["content_sha256"] for name, table in tables.items()}
    local = nights.first["tables"]
    assert hashes == {name: table["content_sha256"] for name, table in local.items()}
    assert len(open_snapshot(lake).read("rec_topk")) == local["rec_topk"]["rows"]
    assert event_actions(lake) == ["publish"]
    tasks = Counter(read_table(lake, RUN_METRICS, columns=["task"])["task"].to_pylist())
    assert set(tasks) >= set(local)
    assert set(tasks.values()) == {1}


def test_a_night_in_a_bucket_publishes_the_rows_of_a_night_in_a_folder(lake, nights, tmp_path):
    night = start_night(lake, tmp_path / "state", toy_dataset.LAST_DAY)

    check_equal_to_a_night_in_a_folder(lake, wait_for_summary(night)["tables"], nights)


def test_a_store_that_fails_every_twentieth_request_changes_nothing(
    object_store, lake, nights, tmp_path
):
    """It is busy, breaks the connection, or does what was asked and breaks it then, by turns."""
    with failing_proxy(object_store["AWS_ENDPOINT_URL"], 20) as proxy:
        variables = {"AWS_ENDPOINT_URL": proxy.address}
        night = start_night(lake, tmp_path / "state", toy_dataset.LAST_DAY, variables)
        tables = wait_for_summary(night)["tables"]
        failures = proxy.failures

    check_equal_to_a_night_in_a_folder(lake, tables, nights)
    assert min(failures[fault] for fault in FAULTS) > 10
