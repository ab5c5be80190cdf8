"""Checks of an object store, as `evensong doctor` runs them."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest

from feature_store.lake.object_storage import ObjectStorage
from feature_store.lake.store_checks import _check_versioning, store_checks
from feature_store.lake.stored_file import StorageError
from tests.support.s3_server import with_writes_in_turn


def test_the_server_of_these_tests_answers_one_write_at_a_time_and_reads_meanwhile():
    """Moto looks for a key and then stores it: two such answers at once would both create it."""
    running, most = set(), dict.fromkeys(("PUT", "GET"), 0)

    def slow(environ, start_response):
        method = environ["REQUEST_METHOD"]
        running.add(threading.get_ident())
        most[method] = max(most[method], len(running))
        time.sleep(0.02)
        running.discard(threading.get_ident())
        return []

    answer = with_writes_in_turn(slow)
    for method in most:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda each: answer({"REQUEST_METHOD": each}, None), [method] * 8))

    assert most["PUT"] == 1
    assert most["GET"] > 1


@pytest.fixture
def storage(bucket):
    return ObjectStorage(bucket, "lake")


def test_a_good_store_passes_all_checks_and_is_left_unchanged(storage):
    found = list(store_checks(storage))

    assert [check.name for check in found] == [
        "rights", "creating", "replacing", "appending", "clock", "versions",
    ]  # fmt: skip
    assert [check for check in found if not check.is_passed] == []
    assert list(storage.list("")) == []


def test_noncurrent_versions_that_would_outlive_an_erasure_fail_the_check(storage):
    """Suspended versioning passes once the earlier versions are deleted."""
    _set_versioning(storage, "Enabled")
    storage.write("a", b"1")
    storage.write("a", b"2")
    _set_versioning(storage, "Suspended")

    [versions] = [check for check in store_checks(storage) if check.name == "versions"]
    assert not versions.is_passed
    assert versions.found.startswith("bucket versioning: Suspended; noncurrent versions")
    assert "outlive an erasure" in versions.next_step

    _delete_versions(storage)
    assert _check_versioning(storage).is_passed


def test_an_unreachable_store_is_an_error_with_the_next_step(storage, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free.getsockname()[1]}")

    with pytest.raises(StorageError, match=r"s3://.*/x: cannot be read: .*AWS_ENDPOINT_URL"):
        storage.read("x")


def test_the_error_names_a_missing_bucket(object_store, bucket):
    with pytest.raises(StorageError, match=r"s3://no-such-bucket/x: cannot be written: .*NoSuch"):
        ObjectStorage("no-such-bucket", "").write("x", b"")


def _set_versioning(storage, status):
    boto3.client("s3").put_bucket_versioning(
        Bucket=storage.bucket, VersioningConfiguration={"Status": status}
    )


def _delete_versions(storage):
    client = boto3.client("s3")
    listed = client.list_object_versions(Bucket=storage.bucket)
    for version in [*listed.get("Versions", ()), *listed.get("DeleteMarkers", ())]:
        client.delete_object(
            Bucket=storage.bucket, Key=version["Key"], VersionId=version["VersionId"]
        )
