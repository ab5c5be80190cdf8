"""`evensong up`: Airflow's servers on this machine, on loopback, until Ctrl-C or SIGTERM.

API server, scheduler, DAG processor and triggerer are child processes of the command; all of their
processes (tasks, Spark's Java, its Python workers) end with the command.
"""

from __future__ import annotations

import json
import os
import secrets
import shlex
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from dags.command.nights.local_airflow import airflow_variables, migrate_database
from dags.command.server.child_processes import Children, running_children
from dags.policy.airflow_homes import SERVER_HOME
from dags.policy.roles import ADMIN, USERS, create_roles_and_users, load_or_create_passwords
from feature_store.lake.private_files import close_folder, write_private_file
from feature_store.runs.lineage import AIRFLOW_FILE, NAMESPACE
from feature_store.settings import Settings
from feature_store.stop_signals import stop_signals

LOOPBACK = "127.0.0.1"
COMPONENTS = {
    "api-server": ("airflow", "api-server", "--host", LOOPBACK),
    "scheduler": ("airflow", "scheduler", "--skip-serve-logs"),
    "dag-processor": ("airflow", "dag-processor"),
    "triggerer": ("airflow", "triggerer", "--skip-serve-logs"),
}
SHARED_JAVA = {"spark": ("feature_store.spark.server",)}
HEALTHY_WITHIN_S = 240.0

_SECRETS = {
    "AIRFLOW__API_AUTH__JWT_SECRET": "jwt-secret",
    "AIRFLOW__API__SECRET_KEY": "api-secret",
    "AIRFLOW__CORE__FERNET_KEY": "fernet-key",
}


class AirflowServerFailed(RuntimeError):
    """Airflow does not start here, or a component ended by itself."""


@dataclass(frozen=True, slots=True)
class ServerHome:
    """AIRFLOW_HOME of the servers: its files, the port and the components."""

    folder: Path
    port: int
    is_java_shared: bool

    @property
    def components(self) -> dict[str, tuple[str, ...]]:
        """Module and arguments of each component."""
        return (SHARED_JAVA if self.is_java_shared else {}) | COMPONENTS

    @property
    def logs(self) -> dict[str, Path]:
        """Log file of each component."""
        return {name: self.folder / "logs" / f"{name}.log" for name in self.components}

    @property
    def gateway(self) -> Path:
        """File with the address of the shared Java; only its owner may read it."""
        return self.folder / "spark-gateway.json"

    @property
    def address(self) -> str:
        """URL of the API server."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def passwords(self) -> Path:
        """File with the users' passwords; only its owner may read it."""
        return self.folder / "passwords.json"


def run_server(settings: Settings, port: int, console: Console, *, is_java_shared: bool) -> None:
    """Start Airflow, print its address, and stop all of its processes on SIGINT or SIGTERM.

    With `is_java_shared` all tasks use one Java that runs as long as Airflow.

    Raises:
        AirflowServerFailed: the port or the home is in use, or a component ended or did not become
            healthy.
    """
    home = ServerHome(settings.state / SERVER_HOME, port, is_java_shared)
    with stop_signals() as stop, _exclusive(home):
        console.print(f"starting Airflow in {home.folder}", highlight=False, soft_wrap=True)
        os.environ |= _variables(settings, home)
        passwords = _prepare(home)
        os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "INFO"  # level of the task logs
        home.gateway.unlink(missing_ok=True)  # left by a Java that was killed
        with running_children(home.components, home.logs) as children:
            _wait_until_healthy(home, children, stop)
            if not stop.is_set():
                _print_login(home, passwords, console)
            while not stop.wait(1.0):
                _check_running(home, children)
            console.print("stopping Airflow and all of its processes")


def _variables(settings: Settings, home: ServerHome) -> dict[str, str]:
    """Return Airflow's variables; secrets are in files, so no process environment shows them."""
    root = Path(__file__).parents[3]
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
        "AIRFLOW__CORE__EXECUTOR": "dags.command.server.executor.LocalExecutor",
        # A laptop's memory holds two Spark sessions at a time.
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__OPENLINEAGE__NAMESPACE": NAMESPACE,
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(_lineage_transport(settings)),
        "EVENSONG_SPARK__GATEWAY": str(home.gateway) if home.is_java_shared else "",
        "PYTHONPATH": os.pathsep.join(path),
    }


def _lineage_transport(settings: Settings) -> dict[str, object]:
    """OpenLineage transport of Airflow's provider: the lineage server, or a file in the state."""
    if settings.lineage_url:
        return {"type": "http", "url": settings.lineage_url}
    file = settings.state / AIRFLOW_FILE
    close_folder(file.parent)
    return {"type": "file", "log_file_path": str(file), "append": True}


def _secret_commands(folder: Path) -> dict[str, str]:
    """Return the variables with the commands that print Airflow's secrets; create missing ones."""
    commands: dict[str, str] = {}
    for variable, name in _SECRETS.items():
        file = folder / name
        if not file.exists():
            write_private_file(file, _new_secret(name))
        commands[f"{variable}_CMD"] = shlex.join(["cat", str(file)])
    return commands


def _new_secret(name: str) -> str:
    from cryptography.fernet import Fernet

    return Fernet.generate_key().decode() if name == "fernet-key" else secrets.token_urlsafe(48)


def _prepare(home: ServerHome) -> dict[str, str]:
    """Create database, roles, users and pools; returns the users' passwords."""
    os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "CRITICAL"
    from dags.policy.pools import create_pools

    migrate_database(home.folder)
    passwords = load_or_create_passwords(home.passwords)
    create_roles_and_users(passwords)
    create_pools()
    return passwords


@contextmanager
def _exclusive(home: ServerHome) -> Iterator[None]:
    """Check that the port is free and hold the lock file of the home."""
    from filelock import FileLock, Timeout

    close_folder(home.folder)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, home.port))
        except OSError as error:
            raise AirflowServerFailed(
                f"up: port {home.port} on {LOOPBACK}: {error.strerror}; end what listens there, "
                "or choose another with --port"
            ) from error
    try:
        with FileLock(home.folder / "up.lock", timeout=0):
            yield
    except Timeout as error:
        raise AirflowServerFailed(
            f"up: another `evensong up` runs in {home.folder}; use its pages, or set EVENSONG_STATE"
        ) from error


def _wait_until_healthy(home: ServerHome, children: Children, stop: threading.Event) -> None:
    deadline = time.monotonic() + HEALTHY_WITHIN_S
    while not stop.wait(1.0):
        _check_running(home, children)
        health = _health(home)
        is_java_ready = home.gateway.exists() or not home.is_java_shared
        is_healthy = [component.get("status") == "healthy" for component in health.values()]
        if health and is_java_ready and all(is_healthy):
            return
        if time.monotonic() > deadline:
            raise AirflowServerFailed(
                f"up: not healthy after {HEALTHY_WITHIN_S:.0f} s: {health or 'no answer'}; "
                f"read {home.folder / 'logs'}, then start again"
            )


def _health(home: ServerHome) -> dict[str, dict[str, str]]:
    """Status of each component from the API server; empty while the server does not answer."""
    try:
        with urllib.request.urlopen(f"{home.address}/api/v2/monitor/health", timeout=5) as answer:  # noqa: S310  on loopback
            return dict(json.load(answer))
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return {}


def _check_running(home: ServerHome, children: Children) -> None:
    for name, child in children.items():
        if child.poll() is not None:
            raise AirflowServerFailed(
                f"up: {name} ended by itself with status {child.returncode}; everything else is "
                f"stopped too; read {home.logs[name]}, then start again"
            )


def _print_login(home: ServerHome, passwords: dict[str, str], console: Console) -> None:
    [admin] = [name for name, roles in USERS.items() if ADMIN in roles]
    others = ", ".join(name for name in USERS if name != admin)
    console.print(f"[bold green]✓[/] Airflow is at [bold]{home.address}[/]", highlight=False)
    console.print(f"  login {admin}, password {passwords[admin]}", highlight=False, markup=False)
    console.print(f"  {others}: see {home.passwords}", highlight=False, soft_wrap=True)
    console.print("  Ctrl-C stops Airflow and all of its processes")
