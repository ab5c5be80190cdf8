"""`evensong up`: a taken port, private passwords, and no process left when a component ends."""

from __future__ import annotations

import os
import signal
import socket

import psutil
import pytest
from rich.console import Console

from tests.support.airflow_server import server_processes, start_airflow


def test_a_taken_port_is_refused_and_nothing_is_started(settings):
    from dags.command.server.server import AirflowServerFailed, run_server

    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(AirflowServerFailed, match=rf"port {port} on 127.0.0.1: .*--port"):
            run_server(settings, port, Console(quiet=True), is_java_shared=False)


def test_passwords_are_created_once_and_only_their_owner_may_read_them(tmp_path):
    from dags.policy.roles import USERS, load_or_create_passwords

    file = tmp_path / "passwords.json"
    passwords = load_or_create_passwords(file)

    assert set(passwords) == set(USERS)
    assert len(set(passwords.values())) == len(USERS)
    assert file.stat().st_mode & 0o777 == 0o600
    assert load_or_create_passwords(file) == passwords


def test_a_component_that_ends_by_itself_is_named_and_all_others_are_stopped(tmp_path):
    """After the triggerer is killed, `up` names it, exits with 1, and leaves no process."""
    running = start_airflow(tmp_path)
    started = server_processes(running)
    [triggerer] = [
        process
        for process in psutil.Process(running.process.pid).children()
        if "triggerer" in process.cmdline()
    ]

    os.kill(triggerer.pid, signal.SIGKILL)

    assert running.process.wait(60) == 1
    assert "triggerer ended by itself with status -9" in (tmp_path / "up.log").read_text()
    assert len(started) >= 5
    assert server_processes(running) == []
    for secret in (tmp_path / "state" / "server" / "secrets").iterdir():
        for log in (tmp_path / "state" / "server" / "logs").rglob("*.log"):
            assert secret.read_text() not in log.read_text(), log
