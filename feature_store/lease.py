"""One writer per table at a time.

Locally a lock file that the operating system releases when its holder dies. On object storage an
object that only one writer can create, with a heartbeat in it: a holder that stopped beating for
`EXPIRES_S` has lost the lease.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from feature_store.storage import FolderStorage, Storage, StorageError, open_storage

WAIT_S = 900.0
HEARTBEAT_S = 10.0
EXPIRES_S = 60.0


class LeaseTaken(TimeoutError):
    """Another writer kept the table longer than we were ready to wait."""


@contextmanager
def writer_lease(lake: str, table_name: str, *, wait_s: float = WAIT_S) -> Iterator[None]:
    """Hold the right to write one table.

    Raises:
        LeaseTaken: another writer still holds it after `wait_s` seconds.
    """
    storage = open_storage(lake)
    path = f"leases/{table_name}.lock"
    if isinstance(storage, FolderStorage):
        with _file_lease(storage.root / path, table_name, wait_s):
            yield
    else:
        with _object_lease(storage, path, table_name, wait_s):
            yield


@contextmanager
def _file_lease(path: Path, table_name: str, wait_s: float) -> Iterator[None]:
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, timeout=wait_s)
    try:
        lock.acquire()
    except Timeout as error:
        raise _taken(table_name, wait_s, str(path)) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _object_lease(storage: Storage, path: str, table_name: str, wait_s: float) -> Iterator[None]:
    holder = uuid.uuid4().hex
    _take(storage, path, holder, table_name, wait_s)
    stopped = threading.Event()
    heart = threading.Thread(target=_beat, args=(storage, path, holder, stopped), daemon=True)
    heart.start()
    try:
        yield
    finally:
        stopped.set()
        heart.join()
        storage.delete(path)


def _take(storage: Storage, path: str, holder: str, table_name: str, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while not storage.put_if_absent(path, _heartbeat(holder)):
        if _is_expired(storage, path):
            # Two waiters may both delete a dead lease; put_if_absent then lets only one of them in.
            storage.delete(path)
            continue
        if time.monotonic() > deadline:
            raise _taken(table_name, wait_s, storage.uri(path))
        time.sleep(min(1.0, wait_s / 10))


def _beat(storage: Storage, path: str, holder: str, stopped: threading.Event) -> None:
    while not stopped.wait(HEARTBEAT_S):
        storage.write(path, _heartbeat(holder))


def _heartbeat(holder: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> bytes:
    return json.dumps({"holder": holder, "beat_at_utc": now().isoformat()}).encode()


def _is_expired(storage: Storage, path: str) -> bool:
    try:
        beat = datetime.fromisoformat(json.loads(storage.read(path))["beat_at_utc"])
    except StorageError:
        return False  # released between our two looks; the next try will get it
    return datetime.now(UTC) - beat > timedelta(seconds=EXPIRES_S)


def _taken(table_name: str, wait_s: float, where: str) -> LeaseTaken:
    return LeaseTaken(
        f"{table_name}: another writer has held the lease {where} for more than {wait_s:.0f} s; "
        "wait for its run to end, or stop that run, then clear this task"
    )
