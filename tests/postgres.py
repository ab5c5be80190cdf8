"""A PostgreSQL server on loopback, in a folder of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OWNER = "postgres"  # the server refuses to run as root


@contextmanager
def running_postgres(folder: Path) -> Iterator[str]:
    """SQLAlchemy's address of an empty database; the server ends with the `with`."""
    programs = max(Path("/usr/lib/postgresql").iterdir(), key=lambda each: int(each.name)) / "bin"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = folder / "data"
    folder.mkdir()
    if os.getuid() == 0:
        shutil.chown(folder, OWNER)
        for parent in folder.parents:  # pytest's folders are closed to other users
            if parent.stat().st_mode & 0o011 == 0:
                parent.chmod(0o711)
    _run(programs / "initdb", "-D", data, "-U", OWNER, "--auth=trust", "--no-sync")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -F"
    _run(programs / "pg_ctl", "-D", data, "-l", folder / "log", "-o", options, "-w", "start")
    try:
        yield f"postgresql+psycopg2://{OWNER}@127.0.0.1:{port}/postgres"
    finally:
        _run(programs / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")


def _run(*command: object) -> None:
    words = [str(word) for word in command]
    if os.getuid() == 0:
        words = ["setpriv", f"--reuid={OWNER}", f"--regid={OWNER}", "--clear-groups", *words]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, cwd="/")
