"""One Java for many processes: `evensong up` keeps it, its tasks connect to it.

    python -m feature_store.spark.gateway

A task that starts its own Java waits for it about ten seconds, and then runs every plan for the
first time. The gateway's port and secret are in the file that the setting `spark.gateway` names;
only its owner may read it.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from feature_store.settings import Settings, load_settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class GatewayGone(RuntimeError):
    """The Java that was to be shared is not there."""


def keep(settings: Settings) -> None:
    """Start Java with one SparkContext, say where it is, and keep it until SIGTERM."""
    from feature_store.spark.session import make_spark

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    file = Path(settings.spark.gateway)
    alone = settings.spark.model_copy(update={"gateway": ""})
    session = make_spark(settings.model_copy(update={"spark": alone}))
    address = _gateway_of(session).gateway_parameters
    _write_for_owner(file, {"port": address.port, "secret": address.auth_token})
    try:
        while not stop.wait(1.0):
            _refuse_gone(session, file)
    finally:
        file.unlink(missing_ok=True)


@cache
def connect(file: Path) -> SparkSession:
    """A session of this process's own in the shared Java: its views and options are nobody else's.

    Raises:
        GatewayGone: no Java is kept there now.
    """
    from py4j.protocol import Py4JError
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

    try:
        gateway = _gateway_at(file)
        java = gateway.jvm
        java_context = java.JavaSparkContext(java.org.apache.spark.SparkContext.getOrCreate())
    except (OSError, KeyError, Py4JError) as error:
        raise GatewayGone(_gone(file)) from error
    conf = SparkConf(_jconf=java_context.getConf())
    return SparkSession(SparkContext(gateway=gateway, jsc=java_context, conf=conf)).newSession()


def _gateway_at(file: Path) -> Any:
    from pyspark.java_gateway import launch_gateway

    address = json.loads(file.read_text())
    # These two variables are how pyspark is told not to start a Java of its own.
    told = {
        "PYSPARK_GATEWAY_PORT": str(address["port"]),
        "PYSPARK_GATEWAY_SECRET": address["secret"],
    }
    os.environ |= told
    try:
        return launch_gateway()  # type: ignore[no-untyped-call]  # pyspark has no types for it
    finally:
        for name in told:
            del os.environ[name]


def _gateway_of(session: SparkSession) -> Any:
    return session.sparkContext._gateway  # noqa: SLF001  pyspark has no other way to ask


def _refuse_gone(session: SparkSession, file: Path) -> None:
    if _gateway_of(session).proc.poll() is not None:
        raise GatewayGone(_gone(file))


def _gone(file: Path) -> str:
    return (
        f"spark: no Java is kept at {file}; start `evensong up` again, or leave spark.gateway "
        "empty to give each task its own"
    )


def _write_for_owner(file: Path, content: dict[str, Any]) -> None:
    beside = file.with_name(f".{file.name}-{os.getpid()}")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        json.dump(content, opened)
    beside.replace(file)


if __name__ == "__main__":
    keep(load_settings())
