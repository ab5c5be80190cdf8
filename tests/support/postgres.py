"""A PostgreSQL server on loopback with a data folder of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

OWNER = "postgres"  # the server refuses to run as root


@contextmanager
def running_postgres() -> Iterator[str]:
    """SQLAlchemy's address of an empty database; server and folder end with the `with`.

    The folder is none of pytest's: each session of pytest closes its folders to the server's user.
    """
    with TemporaryDirectory(prefix="postgres-") as folder:
        yield from _running_in(Path(folder))


def _running_in(folder: Path) -> Iterator[str]:
    programs = max(Path("/usr/lib/postgresql").iterdir(), key=lambda each: int(each.name)) / "bin"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = folder / "data"
    if os.getuid() == 0:
        shutil.chown(folder, OWNER)
    _run(programs / "initdb", "-D", data, "-U", OWNER, "--auth=trust", "--no-sync")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -F"
    _run(programs / "pg_ctl", "-D", data, "-l", folder / "log", "-o", options, "-w", "start")
    try:
        yield f"postgresql+psycopg2://{OWNER}@127.0.0.1:{port}/postgres"
    finally:
        _run(programs / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")


def _run(*command: object) -> None:
    arguments = [str(argument) for argument in command]
    if os.getuid() == 0:
        drop_root = ["setpriv", f"--reuid={OWNER}", f"--regid={OWNER}", "--clear-groups"]
        arguments = [*drop_root, *arguments]
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL, cwd="/")
