"""What the doctor says of an object store."""

from __future__ import annotations

import socket

import boto3
import pytest

from feature_store.storage import ObjectStorage, StorageError
from feature_store.store_checks import store_checks


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
    boto3.client("s3").put_bucket_versioning(
        Bucket=storage.bucket, VersioningConfiguration={"Status": "Enabled"}
    )

    [versions] = [one for one in store_checks(storage) if one.what == "versions"]

    assert (versions.is_fine, versions.found) == (False, "bucket versioning: Enabled")
    assert "outlive an erasure" in versions.next_step


def test_a_store_that_nobody_answers_for_is_an_error_with_the_next_step(storage, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free.getsockname()[1]}")

    with pytest.raises(StorageError, match=r"s3://.*/x: cannot be read: .*AWS_ENDPOINT_URL"):
        storage.read("x")


def test_a_bucket_that_is_not_there_is_named(object_store, bucket):
    with pytest.raises(StorageError, match=r"s3://no-such-bucket/x: cannot be written: .*NoSuch"):
        ObjectStorage("no-such-bucket", "").write("x", b"")
