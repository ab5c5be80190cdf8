"""Leases: one writer per table at a time.

On a folder the lease is a lock file, which the operating system releases when its holder dies. On
object storage it is an object that only conditional puts change: its holder writes a heartbeat
every `HEARTBEAT_S` seconds, and a lease without heartbeat for `EXPIRES_S` seconds has expired.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from feature_store.lake.object_storage import ObjectStorage
from feature_store.lake.storage import FolderStorage, open_storage
from feature_store.lake.stored_file import StorageError

WAIT_S = 900.0
HEARTBEAT_S = 10.0
EXPIRES_S = 60.0


class LeaseTaken(TimeoutError):
    """Another writer held the table for longer than the wait."""


class LeaseLost(RuntimeError):
    """The lease expired, so another writer may hold the table."""


@contextmanager
def writer_lease(
    lake: str, table_name: str, *, wait_s: float = WAIT_S
) -> Iterator[Callable[[], None]]:
    """Hold the lease of one table; yields a function that raises LeaseLost once it is lost.

    On object storage the function asks the store: a process that was stopped and goes on cannot
    know from its own memory that another writer has taken the lease.

    Raises:
        LeaseTaken: another writer still holds it after `wait_s` seconds.
        LeaseLost: the lease expired meanwhile; another writer's commit may have replaced this one.
    """
    storage = open_storage(lake)
    path = f"leases/{table_name}.lock"
    if isinstance(storage, FolderStorage):
        with _file_lease(storage.root / path, table_name, wait_s):
            yield lambda: None  # a living process cannot lose a lock file
    elif isinstance(storage, ObjectStorage):
        with _object_lease(storage, path, table_name, wait_s) as check_lease:
            yield check_lease


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
def _object_lease(
    storage: ObjectStorage, path: str, table_name: str, wait_s: float
) -> Iterator[Callable[[], None]]:
    """Hold a lease object; conditional puts on the state last read never change another's lease."""
    held = _HeldObject(storage, path, _acquire(storage, path, table_name, wait_s))
    heartbeat = threading.Thread(target=held.beat, daemon=True)
    heartbeat.start()

    def check_lease() -> None:
        if not held.confirm():
            raise _lost(table_name, storage.uri(path))

    try:
        yield check_lease
    finally:
        held.stopped.set()
        heartbeat.join()
        was_held = held.release()
    if not was_held:
        raise _lost(table_name, storage.uri(path))


class _HeldObject:
    """A lease object that this process holds, known by the ETag of its last own put."""

    def __init__(self, storage: ObjectStorage, path: str, etag: str) -> None:
        self._storage, self._path = storage, path
        self._etag: str | None = etag
        self._turn = threading.Lock()  # the heartbeat and a check must not replace the same state
        self.stopped = threading.Event()

    def beat(self) -> None:
        """Put a heartbeat every HEARTBEAT_S seconds until stopped or until the lease is lost.

        When the store fails, the next beat tries again; after EXPIRES_S - HEARTBEAT_S seconds
        without a put the lease counts as lost, because other writers may take it.
        """
        written_at_s = time.monotonic()
        while not self.stopped.wait(HEARTBEAT_S) and self._etag is not None:
            try:
                self.confirm()
                written_at_s = time.monotonic()
            except StorageError:
                if time.monotonic() - written_at_s > EXPIRES_S - HEARTBEAT_S:
                    self._etag = None

    def confirm(self, *, is_free: bool = False) -> bool:
        """Put the lease's state; False when another writer has taken it, or may have."""
        with self._turn:
            if self._etag is not None:
                self._etag = self._storage.put_if_match(
                    self._path, _state(is_free=is_free), self._etag
                )
            return self._etag is not None

    def release(self) -> bool:
        """Mark the lease free; False when it was lost before."""
        return self.confirm(is_free=True)


def _acquire(storage: ObjectStorage, path: str, table_name: str, wait_s: float) -> str:
    """Wait for the lease to be free or expired; returns the ETag of this process's first put.

    A lease has expired when its object did not change for EXPIRES_S on the waiter's own clock, so
    clocks that disagree do no harm.
    """
    deadline = time.monotonic() + wait_s
    seen_etag, seen_since_s = "", time.monotonic()
    while True:
        found = storage.read_with_etag(path)
        etag = found[1] if found else None
        if etag != seen_etag:
            seen_etag, seen_since_s = etag or "", time.monotonic()
        is_expired = time.monotonic() - seen_since_s > EXPIRES_S
        if found is None or is_expired or _is_free(found[0]):
            own_etag = storage.put_if_match(path, _state(is_free=False), etag)
            if own_etag is not None:
                return own_etag
        if time.monotonic() > deadline:
            raise _taken(table_name, wait_s, storage.uri(path))
        time.sleep(min(1.0, wait_s / 10, EXPIRES_S / 10))


def _is_free(state: bytes) -> bool:
    """Whether no writer holds the lease; an empty object is the lock file of a former folder."""
    return not state or bool(json.loads(state)["is_free"])


def _state(*, is_free: bool) -> bytes:
    """The object's content, unique at each put: equal bytes would have an equal ETag."""
    return json.dumps({"is_free": is_free, "state": uuid.uuid4().hex}).encode()


def _lost(table_name: str, where: str) -> LeaseLost:
    return LeaseLost(
        f"{table_name}: this writer was silent for more than {EXPIRES_S:.0f} s, so another one may "
        f"have taken the lease {where}; what was written may be lost: clear this task"
    )


def _taken(table_name: str, wait_s: float, where: str) -> LeaseTaken:
    return LeaseTaken(
        f"{table_name}: another writer has held the lease {where} for more than {wait_s:.0f} s; "
        "wait for its run to end, or stop that run, then clear this task"
    )
