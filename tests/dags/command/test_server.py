"""`evensong up`: what it refuses, and that nothing of it stays when a part of it ends."""

from __future__ import annotations

import os
import signal
import socket

import psutil
import pytest
from rich.console import Console

from tests.support.pages import processes_of, start_airflow


def test_a_taken_port_is_refused_and_nothing_is_started(settings):
    from dags.command.server import UpFailed, up

    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UpFailed, match=rf"port {port} on 127.0.0.1: .*--port"):
            up(settings, port, Console(quiet=True), has_one_java=False)


def test_passwords_are_made_once_and_only_their_owner_may_read_them(tmp_path):
    from dags.policy.roles import USERS, kept_passwords

    file = tmp_path / "passwords.json"
    made = kept_passwords(file)

    assert set(made) == set(USERS)
    assert len(set(made.values())) == len(USERS)
    assert file.stat().st_mode & 0o777 == 0o600
    assert kept_passwords(file) == made


def test_when_a_part_ends_by_itself_it_is_named_and_everything_else_ends(tmp_path):
    """The triggerer is killed: `up` says so, exits with 1, and leaves no process behind."""
    running = start_airflow(tmp_path)
    started = processes_of(running)
    [triggerer] = [
        process
        for process in psutil.Process(running.process.pid).children()
        if "triggerer" in process.cmdline()
    ]

    os.kill(triggerer.pid, signal.SIGKILL)

    assert running.process.wait(60) == 1
    said = (tmp_path / "up.log").read_text()
    assert "triggerer ended by itself with status -9" in said
    assert len(started) >= 5
    assert processes_of(running) == []
    for secret in (tmp_path / "state" / "server" / "secrets").iterdir():
        for log in (tmp_path / "state" / "server" / "logs").rglob("*.log"):
            assert secret.read_text() not in log.read_text(), log
