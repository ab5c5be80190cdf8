"""`evensong up`: Airflow on this machine, on loopback, until Ctrl-C or SIGTERM.

API server, scheduler, DAG processor and triggerer are children of the command, each the leader of a
session of its own; whatever they start (tasks, Spark's Java, its Python workers) belongs to these
sessions, and all of it ends with the command.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from dags.command.local_airflow import SERVER_HOME, airflow_variables, make_database
from dags.policy.roles import ADMIN, USERS, keep_secret, kept_passwords, make_access
from feature_store.runs.lineage import AIRFLOW_FILE, NAMESPACE
from feature_store.settings import Settings

LOOPBACK = "127.0.0.1"
PARTS = {
    "api-server": ("airflow", "api-server", "--host", LOOPBACK),
    "scheduler": ("airflow", "scheduler", "--skip-serve-logs"),
    "dag-processor": ("airflow", "dag-processor"),
    "triggerer": ("airflow", "triggerer", "--skip-serve-logs"),
}
ONE_JAVA = {"spark": ("feature_store.spark.gateway",)}
HEALTHY_WITHIN_S = 240.0
END_WITHIN_S = 15.0

_SECRETS = {
    "AIRFLOW__API_AUTH__JWT_SECRET": "jwt-secret",
    "AIRFLOW__API__SECRET_KEY": "api-secret",
    "AIRFLOW__CORE__FERNET_KEY": "fernet-key",
}


class UpFailed(RuntimeError):
    """Airflow does not start here, or a part of it ended by itself."""


@dataclass(frozen=True, slots=True)
class Home:
    """Where this Airflow keeps its things.

    Its home is not the one of `evensong night`: a scheduler that saw the run of a command in its
    database would start the run's tasks a second time.
    """

    folder: Path
    port: int
    has_one_java: bool

    @property
    def parts(self) -> dict[str, tuple[str, ...]]:
        """Module and arguments of everything that runs."""
        return (ONE_JAVA if self.has_one_java else {}) | PARTS

    @property
    def gateway(self) -> Path:
        """Where tasks find the shared Java; only its owner may read the file."""
        return self.folder / "spark-gateway.json"

    @property
    def address(self) -> str:
        """Where people and tasks reach the API server."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def passwords(self) -> Path:
        """The users' passwords; only its owner may read the file."""
        return self.folder / "passwords.json"

    def log_of(self, part: str) -> Path:
        """What a part of Airflow prints."""
        return self.folder / "logs" / f"{part}.log"


def up(settings: Settings, port: int, console: Console, *, has_one_java: bool) -> None:
    """Start Airflow, say where it is, and stop it whole when asked to.

    With `has_one_java` tasks share one that lives as long as Airflow, instead of starting one each.

    Raises:
        UpFailed: the port or the home is taken, or a part ended or did not become healthy.
    """
    home = Home(settings.state / SERVER_HOME, port, has_one_java)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with _only_one(home):
        console.print(f"starting Airflow in {home.folder}", highlight=False, soft_wrap=True)
        os.environ |= _variables(settings, home)
        passwords = _prepare(home)
        os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "INFO"  # of tasks, for people to read
        with _running(home) as parts:
            _wait_until_healthy(home, parts, stop)
            if not stop.is_set():
                _welcome(home, passwords, console)
            while not stop.wait(1.0):
                _refuse_dead(home, parts)
            console.print("stopping Airflow and everything that it started")


def _variables(settings: Settings, home: Home) -> dict[str, str]:
    """Airflow's settings; secrets are files that it reads, so no environment shows them."""
    root = Path(__file__).parents[2]
    path = [str(root), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {
        **airflow_variables(settings, home.folder),
        **_secret_commands(home.folder / "secrets"),
        "AIRFLOW__API__BASE_URL": home.address,
        "AIRFLOW__API__PORT": str(home.port),
        "AIRFLOW__CORE__AUTH_MANAGER": (
            "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
        ),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{home.address}/execution/",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        # Two Spark sessions at a time are what a laptop's memory holds.
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__OPENLINEAGE__NAMESPACE": NAMESPACE,
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(_lineage_transport(settings)),
        "EVENSONG_SPARK__GATEWAY": str(home.gateway) if home.has_one_java else "",
        "PYTHONPATH": os.pathsep.join(path),
    }


def _lineage_transport(settings: Settings) -> dict[str, object]:
    """Where Airflow tells of its tasks: beside the events of the jobs."""
    if settings.lineage_url:
        return {"type": "http", "url": settings.lineage_url}
    file = settings.state / AIRFLOW_FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    return {"type": "file", "log_file_path": str(file), "append": True}


def _secret_commands(folder: Path) -> dict[str, str]:
    made: dict[str, str] = {}
    for variable, name in _SECRETS.items():
        file = folder / name
        if not file.exists():
            keep_secret(file, _new_secret(name))
        made[f"{variable}_CMD"] = shlex.join(["cat", str(file)])
    return made


def _new_secret(name: str) -> str:
    from cryptography.fernet import Fernet

    return Fernet.generate_key().decode() if name == "fernet-key" else secrets.token_urlsafe(48)


def _prepare(home: Home) -> dict[str, str]:
    """Database, roles, users and pools; gives the users' passwords."""
    os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "CRITICAL"
    from dags.policy.pools import make_pools

    make_database(home.folder)
    passwords = kept_passwords(home.passwords)
    make_access(passwords)
    make_pools()
    return passwords


@contextmanager
def _only_one(home: Home) -> Iterator[None]:
    from filelock import FileLock, Timeout

    home.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, home.port))
        except OSError as error:
            raise UpFailed(
                f"up: port {home.port} on {LOOPBACK}: {error.strerror}; end what listens there, "
                "or choose another with --port"
            ) from error
    try:
        with FileLock(home.folder / "up.lock", timeout=0):
            yield
    except Timeout as error:
        raise UpFailed(
            f"up: another `evensong up` runs in {home.folder}; use its pages, or set EVENSONG_STATE"
        ) from error


@contextmanager
def _running(home: Home) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Every part started; at the end all of their sessions' processes are gone."""
    (home.folder / "logs").mkdir(exist_ok=True)
    home.gateway.unlink(missing_ok=True)  # of a Java that was killed
    parts: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, arguments in home.parts.items():
            with home.log_of(name).open("ab") as log:
                parts[name] = subprocess.Popen(
                    # Should this process be killed, the system ends the part for it.
                    ["setpriv", "--pdeathsig", "TERM", sys.executable, "-m", *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        yield parts
    finally:
        _end({part.pid for part in parts.values()})
        for part in parts.values():
            part.wait()


def _end(sessions: set[int]) -> None:
    """End every process of these sessions: first asked, then killed.

    By session and not by process group: tasks and Spark's Python workers make groups of their own.
    """
    deadline = time.monotonic() + END_WITHIN_S
    for leader in sessions:
        _send(leader, signal.SIGTERM)
    while (left := _processes_of(sessions)) and time.monotonic() < deadline:
        time.sleep(0.2)
    while left:
        for process in left:
            _send(process, signal.SIGKILL)
        time.sleep(0.1)
        left = _processes_of(sessions)


def _processes_of(sessions: set[int]) -> list[int]:
    """Processes of these sessions that still run; one that ended and was not fetched does not."""
    import psutil

    found = []
    for process in psutil.process_iter(["status"]):
        try:
            if os.getsid(process.pid) in sessions and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (ProcessLookupError, psutil.NoSuchProcess, PermissionError):
            continue  # it ended between our two looks, or is somebody else's
    return found


def _send(process: int, number: signal.Signals) -> None:
    try:
        os.kill(process, number)
    except ProcessLookupError:
        return  # it ended by itself meanwhile, which is what we want


def _wait_until_healthy(
    home: Home, parts: dict[str, subprocess.Popen[bytes]], stop: threading.Event
) -> None:
    deadline = time.monotonic() + HEALTHY_WITHIN_S
    while not stop.wait(1.0):
        _refuse_dead(home, parts)
        health = _health(home)
        is_java_there = home.gateway.exists() or not home.has_one_java
        if (
            health
            and is_java_there
            and all(part.get("status") == "healthy" for part in health.values())
        ):
            return
        if time.monotonic() > deadline:
            raise UpFailed(
                f"up: not healthy after {HEALTHY_WITHIN_S:.0f} s: {health or 'no answer'}; "
                f"read {home.folder / 'logs'}, then start again"
            )


def _health(home: Home) -> dict[str, dict[str, str]]:
    """Status of each part as the API server sees it; empty while it does not answer."""
    try:
        with urllib.request.urlopen(f"{home.address}/api/v2/monitor/health", timeout=5) as answer:  # noqa: S310  our own address
            return dict(json.load(answer))
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return {}


def _refuse_dead(home: Home, parts: dict[str, subprocess.Popen[bytes]]) -> None:
    for name, part in parts.items():
        if part.poll() is not None:
            raise UpFailed(
                f"up: {name} ended by itself with status {part.returncode}; everything else is "
                f"stopped too; read {home.log_of(name)}, then start again"
            )


def _welcome(home: Home, passwords: dict[str, str], console: Console) -> None:
    [admin] = [name for name, roles in USERS.items() if ADMIN in roles]
    others = ", ".join(name for name in USERS if name != admin)
    console.print(f"[bold green]✓[/] Airflow is at [bold]{home.address}[/]", highlight=False)
    console.print(f"  login {admin}, password {passwords[admin]}", highlight=False, markup=False)
    console.print(f"  {others}: see {home.passwords}", highlight=False, soft_wrap=True)
    console.print("  Ctrl-C stops it and everything that it started")
