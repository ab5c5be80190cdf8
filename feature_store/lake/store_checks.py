"""Whether an object store keeps the promises that leases, manifests and the switch rest on."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pyarrow as pa

from feature_store.lake.storage import ObjectStorage

WRITERS = 8
ROUNDS = 5
APPENDS_EACH = 3
MAX_SKEW_S = 60.0


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        next_step: what to do when it is not fine.
    """

    what: str
    is_fine: bool
    found: str
    next_step: str


def store_checks(storage: ObjectStorage) -> Iterator[Check]:
    """Every look in turn; leaves nothing behind in the store.

    Raises:
        StorageError: the store cannot be reached, or lets us not write, read, list or delete.
    """
    folder = f"leases/doctor-{uuid.uuid4().hex}"
    try:
        yield _rights(storage, folder)
        yield _creators(storage, folder)
        yield _replacers(storage, folder)
        yield _appenders(storage, folder)
        yield _clock(storage, folder)
        yield _versions(storage)
    finally:
        for file in list(storage.list(folder)):
            storage.delete(file.path)


def _rights(storage: ObjectStorage, folder: str) -> Check:
    path = f"{folder}/rights"
    storage.write(path, b"1")
    listed = [file.path for file in storage.list(folder)]
    is_fine = storage.read(path) == b"1" and listed == [path]
    storage.delete(path)
    is_fine = is_fine and not storage.exists(path)
    said = "written, listed, read and deleted" if is_fine else f"listed {listed}"
    return Check("rights", is_fine, said, "grant Put, Get, List and Delete on the prefix")


def _creators(storage: ObjectStorage, folder: str) -> Check:
    """Of many who create one name exactly one must win."""
    names = [f"{folder}/create-{number}" for number in range(ROUNDS)]
    wins = [sum(_at_once(partial(storage.put_if_absent, name, b"mine"))) for name in names]
    return Check(
        "creating",
        wins == [1] * ROUNDS,
        f"winners among {WRITERS} writers of one name, {ROUNDS} times: {wins}",
        "use a store whose PutObject knows If-None-Match; turn bucket versioning off",
    )


def _replacers(storage: ObjectStorage, folder: str) -> Check:
    """Of many who replace the same state exactly one must win."""
    path, wins = f"{folder}/replace", []
    tag = storage.put_if_tag(path, b"0", None)
    for _ in range(ROUNDS):
        tags = _at_once(partial(_replaced, storage, path, tag))
        wins.append(sum(one is not None for one in tags))
        tag = (storage.read_tagged(path) or (b"", ""))[1]
    return Check(
        "replacing",
        wins == [1] * ROUNDS,
        f"winners among {WRITERS} who replace one state, {ROUNDS} times: {wins}",
        "use a store whose PutObject knows If-Match; turn bucket versioning off",
    )


def _replaced(storage: ObjectStorage, path: str, seen: str | None) -> str | None:
    return storage.put_if_tag(path, uuid.uuid4().bytes, seen)


def _appenders(storage: ObjectStorage, folder: str) -> Check:
    """Every row whose commit was confirmed must be there, once.

    A writer that is told that it lost the race too often has lost nothing: it knows.
    """
    from deltalake import DeltaTable, write_deltalake
    from deltalake.exceptions import CommitFailedError

    address = storage.uri(f"{folder}/table")
    write_deltalake(address, pa.table({"writer": [-1]}))

    def append() -> int:
        confirmed = 0
        for _ in range(APPENDS_EACH):
            try:
                write_deltalake(address, pa.table({"writer": [0]}), mode="append")
            except CommitFailedError:
                continue
            confirmed += 1
        return confirmed

    wanted = 1 + sum(_at_once(append))
    found = DeltaTable(address).to_pyarrow_table().num_rows
    return Check(
        "appending",
        found == wanted,
        f"{found} of {wanted} rows that {WRITERS} writers of one Delta table saw confirmed",
        "do not use this store: it loses commits; one with conditional puts, unversioned, does not",
    )


def _clock(storage: ObjectStorage, folder: str) -> Check:
    storage.write(f"{folder}/clock", b"1")
    [file] = [one for one in storage.list(folder) if one.path.endswith("/clock")]
    # The one measurement that is about clocks.
    skew_s = (datetime.now(UTC) - file.written_at_utc).total_seconds()
    return Check(
        "clock",
        abs(skew_s) <= MAX_SKEW_S,
        f"the store's clock is {skew_s:+.0f} s behind this machine's",
        f"set this machine's clock (at most {MAX_SKEW_S:.0f} s apart): requests are signed by it",
    )


def _versions(storage: ObjectStorage) -> Check:
    status, noncurrent = storage.versioning(), storage.noncurrent_count()
    return Check(
        "versions",
        status != "Enabled" and noncurrent == 0,
        f"bucket versioning: {status}; noncurrent versions below the lake: {noncurrent:,}",
        "suspend versioning, and delete noncurrent versions below the lake: they outlive an "
        "erasure, and on some stores they break conditional puts",
    )


def _at_once(call: Callable[[], Any]) -> list[Any]:
    """What WRITERS threads got who called at the same moment."""
    starts_at = time.monotonic() + 0.05

    def wait_and_call(_: int) -> Any:
        time.sleep(max(0.0, starts_at - time.monotonic()))
        return call()

    with ThreadPoolExecutor(WRITERS) as pool:
        return list(pool.map(wait_and_call, range(WRITERS)))
