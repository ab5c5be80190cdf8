"""What the doctor says of an object store."""

from __future__ import annotations

import socket

import boto3
import pytest

from feature_store.lake.storage import ObjectStorage, StorageError
from feature_store.lake.store_checks import _versions, store_checks


@pytest.fixture
def storage(bucket):
    return ObjectStorage(bucket, "lake")


def test_a_store_that_keeps_its_promises_is_fine_and_left_as_it_was(storage):
    found = list(store_checks(storage))

    assert [one.what for one in found] == [
        "rights", "creating", "replacing", "appending", "clock", "versions",
    ]  # fmt: skip
    assert [one for one in found if not one.is_fine] == []
    assert list(storage.list("")) == []


def test_old_versions_that_would_outlive_an_erasure_are_named(storage):
    """Suspended is as good as off once the versions are gone that were made before."""
    _set_versioning(storage, "Enabled")
    storage.write("a", b"1")
    storage.write("a", b"2")
    _set_versioning(storage, "Suspended")

    [versions] = [one for one in store_checks(storage) if one.what == "versions"]
    assert not versions.is_fine
    assert versions.found.startswith("bucket versioning: Suspended; noncurrent versions")
    assert "outlive an erasure" in versions.next_step

    _delete_versions(storage)
    assert _versions(storage).is_fine


def test_a_store_that_nobody_answers_for_is_an_error_with_the_next_step(storage, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free.getsockname()[1]}")

    with pytest.raises(StorageError, match=r"s3://.*/x: cannot be read: .*AWS_ENDPOINT_URL"):
        storage.read("x")


def test_a_bucket_that_is_not_there_is_named(object_store, bucket):
    with pytest.raises(StorageError, match=r"s3://no-such-bucket/x: cannot be written: .*NoSuch"):
        ObjectStorage("no-such-bucket", "").write("x", b"")


def _set_versioning(storage, status):
    boto3.client("s3").put_bucket_versioning(
        Bucket=storage.bucket, VersioningConfiguration={"Status": status}
    )


def _delete_versions(storage):
    client = boto3.client("s3")
    listed = client.list_object_versions(Bucket=storage.bucket)
    for one in [*listed.get("Versions", ()), *listed.get("DeleteMarkers", ())]:
        client.delete_object(Bucket=storage.bucket, Key=one["Key"], VersionId=one["VersionId"])
