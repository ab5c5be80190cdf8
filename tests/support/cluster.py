"""A real Spark standalone cluster on loopback: one master and two workers, as processes."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pyspark
import pytest

from feature_store.settings import load_settings
from feature_store.spark.session import prepare_environment
from tests.support.processes import ENDS_WITH_US

WORKERS = 2
STARTS_WITHIN_S = 120
_DEPLOY = "org.apache.spark.deploy"


@pytest.fixture(scope="session")
def spark_cluster() -> Iterator[str]:
    """The master's address; both workers have registered with it."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        here = Path(folder)
        prepare_environment(load_settings(lake=f"{here}/lake", state=here / "state"))
        log = running.enter_context(_process(here, "master", "master.Master", "--port", "0"))
        [address] = _seen(log, r"Starting Spark master at (spark://\S+)")
        for number in range(WORKERS):
            options = ("--cores", "1", "--memory", "3g", "--work-dir", f"{here}/work-{number}")
            worker = running.enter_context(
                _process(here, f"worker-{number}", "worker.Worker", *options, address)
            )
            _seen(worker, "(Successfully registered) with master")
        yield address


@contextmanager
def _process(folder: Path, name: str, main: str, *options: str) -> Iterator[Path]:
    """Runs until the end of the `with`; gives the file of what it says."""
    log = folder / f"{name}.log"
    launcher = Path(pyspark.__file__).parent / "bin" / "spark-class"
    arguments = [f"{_DEPLOY}.{main}", "--host", "127.0.0.1", "--webui-port", "0", *options]
    with log.open("wb") as said:
        running = subprocess.Popen(
            [*ENDS_WITH_US, str(launcher), *arguments],
            stdout=said,
            stderr=subprocess.STDOUT,
            env=os.environ | {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_DAEMON_MEMORY": "512m"},
        )
    try:
        yield log
    finally:
        running.terminate()
        running.wait()


def _seen(log: Path, what: str) -> list[str]:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < deadline:
        if found := re.findall(what, log.read_text(errors="replace")):
            return found[:1]
        time.sleep(0.2)
    raise TimeoutError(f"{log.name}: no {what!r} in {STARTS_WITHIN_S} s: {log.read_text()[-2000:]}")
