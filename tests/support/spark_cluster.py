"""A Spark standalone cluster on loopback: one master and two workers, each a process."""

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
from tests.support.processes import DIE_WITH_PARENT

WORKERS = 2
START_TIMEOUT_S = 120
_DEPLOY = "org.apache.spark.deploy"


@pytest.fixture(scope="session")
def spark_cluster() -> Iterator[str]:
    """Address of the master; both workers are registered with it."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        here = Path(folder)
        prepare_environment(load_settings(lake=f"{here}/lake", state=here / "state"))
        log = running.enter_context(_process(here, "master", "master.Master", "--port", "0"))
        [address] = _wait_for(log, r"Starting Spark master at (spark://\S+)")
        for number in range(WORKERS):
            options = ("--cores", "1", "--memory", "3g", "--work-dir", f"{here}/work-{number}")
            worker = running.enter_context(
                _process(here, f"worker-{number}", "worker.Worker", *options, address)
            )
            _wait_for(worker, "(Successfully registered) with master")
        yield address


@contextmanager
def _process(folder: Path, name: str, main: str, *options: str) -> Iterator[Path]:
    """Run a daemon of Spark until the end of the `with`; yields its log file."""
    log = folder / f"{name}.log"
    launcher = Path(pyspark.__file__).parent / "bin" / "spark-class"
    arguments = [f"{_DEPLOY}.{main}", "--host", "127.0.0.1", "--webui-port", "0", *options]
    with log.open("wb") as output:
        running = subprocess.Popen(
            [*DIE_WITH_PARENT, str(launcher), *arguments],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_DAEMON_MEMORY": "512m"},
        )
    try:
        yield log
    finally:
        running.terminate()
        running.wait()


def _wait_for(log: Path, pattern: str) -> list[str]:
    """The first match of the pattern in the log."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if found := re.findall(pattern, log.read_text(errors="replace")):
            return found[:1]
        time.sleep(0.2)
    raise TimeoutError(
        f"{log.name}: no {pattern!r} in {START_TIMEOUT_S} s: {log.read_text()[-2000:]}"
    )
