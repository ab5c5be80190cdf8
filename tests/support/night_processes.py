"""Nights, erasures and maintenance as child processes, each the leader of a process group."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from tests.support import toy_dataset
from tests.support.processes import DIE_WITH_PARENT

EVENSONG = Path(sys.executable).with_name("evensong")
_MAINTENANCE_SCRIPT = """
from datetime import UTC, datetime
from feature_store.runs.maintenance import compact_files, expire_slices, expire_versions, vacuum_files
from feature_store.settings import load_settings
from jobs.landing.expiry import expire_landing
print("began", flush=True)
settings, now = load_settings(), datetime.now(UTC)
for step in (expire_landing, expire_slices, expire_versions, compact_files):
    step(settings, now)
vacuum_files(settings, now, unpublished_hours=0)
"""


def start_night(
    lake: str, state: Path, as_of: date, variables: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start `evensong night --json`, which prints its progress on standard error."""
    command = (str(EVENSONG), "night", "--as-of", f"{as_of}", "--json")
    return start_process(command, lake, state, variables)


def start_erasure(
    lake: str, state: Path, *arguments: str, variables: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start `evensong erase`, whose first line of output is the request's id."""
    return start_process((str(EVENSONG), "erase", *arguments), lake, state, variables)


def start_maintenance(lake: str, state: Path) -> subprocess.Popen[str]:
    """Start every step of the maintenance; low limits give each step work to do."""
    variables = {"EVENSONG_MAINTENANCE__MAX_FILES": "2"}
    return start_process((sys.executable, "-c", _MAINTENANCE_SCRIPT), lake, state, variables)


@contextmanager
def running_gateway(folder: Path, lake: str) -> Iterator[dict[str, str]]:
    """Variables with which commands share one Java process, as the tasks of `evensong up` do.

    Args:
        folder: for the gateway's state.
        lake: any address in the store that the commands use.
    """
    file = folder / "gateway.json"
    file.unlink(missing_ok=True)
    variables = {"EVENSONG_SPARK__GATEWAY": str(file)}
    command = (*DIE_WITH_PARENT, sys.executable, "-m", "feature_store.spark.server")
    gateway = start_process(command, lake, folder, variables)
    try:
        while not file.exists():
            if gateway.poll() is not None:
                wait_for_output(gateway)
            time.sleep(0.1)
        yield variables
    finally:
        os.killpg(gateway.pid, signal.SIGTERM)
        gateway.communicate()


def start_process(
    command: Sequence[str], lake: str, state: Path, variables: Mapping[str, str] | None
) -> subprocess.Popen[str]:
    """Start a command on a lake as the leader of a process group."""
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ
        | toy_dataset.LISTS
        | {"EVENSONG_LAKE": lake, "EVENSONG_STATE": str(state), "PYTHONUNBUFFERED": "1"}
        | {"EVENSONG_PRIVACY__READER_GRACE_S": "10"}
        | (variables or {}),
    )


def wait_for_summary(night: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for the night's end and return the summary that `--json` prints.

    Raises:
        RuntimeError: the night failed.
    """
    summary: dict[str, Any] = json.loads(wait_for_output(night).splitlines()[-1])
    return summary


def wait_for_output(process: subprocess.Popen[str]) -> str:
    """Wait for the process's end and return its standard output.

    Raises:
        RuntimeError: the process failed.
    """
    output, errors = process.communicate(timeout=3600)
    if process.returncode != 0:
        raise RuntimeError(f"{process.args} ended with {process.returncode}: {errors[-3000:]}")
    return output
