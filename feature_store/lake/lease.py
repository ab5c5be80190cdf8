"""One writer per table at a time.

Locally a lock file that the operating system releases when its holder dies. On object storage an
object that is replaced only by whoever saw its newest state (a conditional put); its holder writes
a new state now and then, and one that was silent for `EXPIRES_S` can be taken over.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from feature_store.lake.storage import FolderStorage, ObjectStorage, StorageError, open_storage

WAIT_S = 900.0
HEARTBEAT_S = 10.0
EXPIRES_S = 60.0


class LeaseTaken(TimeoutError):
    """Another writer kept the table longer than we were ready to wait."""


class LeaseLost(RuntimeError):
    """Another writer took the lease while this one was silent."""


@contextmanager
def writer_lease(
    lake: str, table_name: str, *, wait_s: float = WAIT_S
) -> Iterator[Callable[[], None]]:
    """Hold the right to write one table; gives what raises LeaseLost once it is not held any more.

    Raises:
        LeaseTaken: another writer still holds it after `wait_s` seconds.
        LeaseLost: another writer took it from us; nobody knows whose commit stands.
    """
    storage = open_storage(lake)
    path = f"leases/{table_name}.lock"
    if isinstance(storage, FolderStorage):
        with _file_lease(storage.root / path, table_name, wait_s):
            yield lambda: None  # the system takes it from the dead only
    elif isinstance(storage, ObjectStorage):
        with _object_lease(storage, path, table_name, wait_s) as refuse_lost:
            yield refuse_lost


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
    """Every step replaces the very state that was seen, or fails: none can hit another's lease."""
    held = _Held(storage, path, _taken_over(storage, path, table_name, wait_s))
    heart = threading.Thread(target=held.beat, daemon=True)
    heart.start()

    def refuse_lost() -> None:
        if not held.is_held:
            raise _lost(table_name, storage.uri(path))

    try:
        yield refuse_lost
    finally:
        held.stopped.set()
        heart.join()
        was_ours = held.release()
    if not was_ours:
        raise _lost(table_name, storage.uri(path))


class _Held:
    """A lease in our hands, by the tag of the state that we wrote last."""

    def __init__(self, storage: ObjectStorage, path: str, tag: str) -> None:
        self._storage, self._path = storage, path
        self._tag: str | None = tag
        self.stopped = threading.Event()

    def beat(self) -> None:
        """Write a new state now and then, until stopped or until the lease is somebody else's.

        A store that does not answer is asked again, until others may take us for dead.
        """
        written_at_s = time.monotonic()
        while not self.stopped.wait(HEARTBEAT_S) and self._tag is not None:
            try:
                self._tag = self._storage.put_if_tag(self._path, _state(is_free=False), self._tag)
                written_at_s = time.monotonic()
            except StorageError:
                if time.monotonic() - written_at_s > EXPIRES_S - HEARTBEAT_S:
                    self._tag = None

    @property
    def is_held(self) -> bool:
        """Whether nobody else can have taken it, as far as we know."""
        return self._tag is not None

    def release(self) -> bool:
        """Mark it free; False when it was not ours any more."""
        if not self.is_held:
            return False
        return self._storage.put_if_tag(self._path, _state(is_free=True), self._tag) is not None


def _taken_over(storage: ObjectStorage, path: str, table_name: str, wait_s: float) -> str:
    """The tag of our own first state.

    A holder is dead when its state did not change for EXPIRES_S while we looked: by our clock
    alone, so clocks that disagree do no harm.
    """
    deadline = time.monotonic() + wait_s
    seen_tag, seen_since_s = "", time.monotonic()
    while True:
        found = storage.read_tagged(path)
        tag = found[1] if found else None
        if tag != seen_tag:
            seen_tag, seen_since_s = tag or "", time.monotonic()
        is_dead = time.monotonic() - seen_since_s > EXPIRES_S
        if found is None or is_dead or _is_free(found[0]):
            mine = storage.put_if_tag(path, _state(is_free=False), tag)
            if mine is not None:
                return mine
        if time.monotonic() > deadline:
            raise _taken(table_name, wait_s, storage.uri(path))
        time.sleep(min(1.0, wait_s / 10, EXPIRES_S / 10))


def _is_free(state: bytes) -> bool:
    """An empty state is the lock file of a lake that was a folder once: nobody holds it here."""
    return not state or bool(json.loads(state)["is_free"])


def _state(*, is_free: bool) -> bytes:
    """A state like no other: equal bytes would have an equal tag."""
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
