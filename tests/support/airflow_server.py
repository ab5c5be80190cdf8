"""Airflow as `evensong up` runs it, as a child process of the test."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.support.processes import DIE_WITH_PARENT

EVENSONG = [sys.executable, "-c", "from dags.command.cli import main; main()"]
ROOT = Path(__file__).parents[2]
START_TIMEOUT_S = 300


@dataclass
class RunningAirflow:
    """A running `evensong up`."""

    process: subprocess.Popen[str]
    address: str
    lake: str
    state: Path

    @property
    def passwords(self) -> dict[str, str]:
        return json.loads((self.state / "server" / "passwords.json").read_text())

    def stop(self) -> int:
        """Send SIGTERM and return the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def api(self, user: str, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Call Airflow's REST API as a user; raises HTTPError as urllib does."""
        login = {"username": user, "password": self.passwords[user]}
        token = self._call("POST", "/auth/token", login, {})["access_token"]
        return self._call(method, f"/api/v2{path}", body, {"Authorization": f"Bearer {token}"})

    def _call(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        request = urllib.request.Request(  # noqa: S310  our own address
            self.address + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", **headers},
        )
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310  our own address
            return json.load(response)


def start_airflow(folder: Path, **variables: str) -> RunningAirflow:
    """Start `evensong up` and wait until it prints its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    lake, state = folder / "lake", folder / "state"
    ours = {"EVENSONG_LAKE": str(lake), "EVENSONG_STATE": str(state), "PYTHONPATH": str(ROOT)}
    log = folder / "up.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [*DIE_WITH_PARENT, *EVENSONG, "up", "--port", str(port)],
            stdout=out,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=folder,  # where tasks look for evensong.toml
            env=_without_settings(os.environ) | ours | variables,
        )
    deadline = time.monotonic() + START_TIMEOUT_S
    while "Airflow is at" not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(1)
    return RunningAirflow(process, f"http://127.0.0.1:{port}", str(lake), state)


def server_processes(running: RunningAirflow) -> list[int]:
    """Ids of all processes of Airflow and Spark whose EVENSONG_STATE is this state."""
    process_ids = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("EVENSONG_STATE") == str(running.state):
                process_ids.append(process.pid)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue  # the process ended, or belongs to another user
    return process_ids


def _without_settings(variables: Mapping[str, str]) -> dict[str, str]:
    """Variables of neither Airflow nor Evensong; other tests of this process set some of those."""
    prefixes = ("AIRFLOW", "EVENSONG_")
    return {name: value for name, value in variables.items() if not name.startswith(prefixes)}
