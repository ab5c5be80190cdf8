"""An S3 server on loopback in a process of its own, and its buckets."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import boto3
import pytest

from tests.support.processes import DIE_WITH_PARENT

REGION = "us-east-1"


@contextmanager
def running_object_store() -> Iterator[dict[str, str]]:
    """Environment variables that point boto3, delta-rs and hadoop-aws to a server; it ends with the `with`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with subprocess.Popen(
        [*DIE_WITH_PARENT, sys.executable, "-m", "tests.support.s3_server", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            _wait_for(port, server)
            yield {
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
                "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test",
                "AWS_REGION": REGION,
                "AWS_DEFAULT_REGION": REGION,
                "AWS_ALLOW_HTTP": "true",
            }
        finally:
            server.terminate()


@pytest.fixture(scope="session")
def object_store() -> Iterator[dict[str, str]]:
    """The session's server."""
    with running_object_store() as variables:
        yield variables


@pytest.fixture
def bucket(object_store: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """A bucket for one test; the environment points to its server."""
    for name, value in object_store.items():
        monkeypatch.setenv(name, value)
    name = f"test-{uuid.uuid4().hex[:12]}"
    boto3.client("s3").create_bucket(Bucket=name)
    return name


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if server.poll() is not None:
            raise RuntimeError(f"the S3 server ended with status {server.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError(f"no S3 server on port {port} after 60 s")
