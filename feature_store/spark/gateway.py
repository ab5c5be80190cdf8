"""Connect to the Java that `evensong up` shares among its tasks (feature_store.spark.server).

A task with its own Java waits about ten seconds for it to start, and then runs every query plan for
the first time. The setting `spark.gateway` names the file with the shared Java's port and secret.
"""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feature_store.lake.private_files import write_private_file

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class GatewayGone(RuntimeError):
    """The shared Java does not run."""

    @classmethod
    def at(cls, file: Path) -> GatewayGone:
        """The error that names the gateway's file and the next step."""
        return cls(
            f"spark: no Java is kept at {file}; start `evensong up` again, or leave spark.gateway "
            "empty to give each task its own"
        )


@cache
def connect(file: Path) -> SparkSession:
    """A session in the shared Java, with views and options of its own.

    Raises:
        GatewayGone: no Java answers at the address in the file.
    """
    from py4j.protocol import Py4JError
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

    try:
        gateway = _open_gateway(file)
        java = gateway.jvm
        java_context = java.JavaSparkContext(java.org.apache.spark.SparkContext.getOrCreate())
    except (OSError, KeyError, Py4JError) as error:
        raise GatewayGone.at(file) from error
    conf = SparkConf(_jconf=java_context.getConf())
    return SparkSession(SparkContext(gateway=gateway, jsc=java_context, conf=conf)).newSession()


def gateway_of(session: SparkSession) -> Any:
    """The Py4J gateway of a session."""
    return session.sparkContext._gateway  # noqa: SLF001  pyspark has no public accessor


def write_address(session: SparkSession, file: Path) -> None:
    """Write the port and secret of a session's Java for `connect`; only the owner may read them."""
    address = gateway_of(session).gateway_parameters
    content = {"port": address.port, "secret": address.auth_token}
    write_private_file(file, json.dumps(content))


def _open_gateway(file: Path) -> Any:
    from pyspark.java_gateway import launch_gateway

    address = json.loads(file.read_text())
    # With these two variables launch_gateway connects to a Java instead of starting one.
    variables = {
        "PYSPARK_GATEWAY_PORT": str(address["port"]),
        "PYSPARK_GATEWAY_SECRET": address["secret"],
    }
    os.environ |= variables
    try:
        return launch_gateway()  # type: ignore[no-untyped-call]  # pyspark has no types for it
    finally:
        for name in variables:
            del os.environ[name]
