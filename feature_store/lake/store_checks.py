"""Checks of an object store: the guarantees that leases, manifests and publication rely on."""

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

from feature_store.lake.delta_tables import open_dataset
from feature_store.lake.object_storage import ObjectStorage

WRITERS = 8
ROUNDS = 5
APPENDS_EACH = 3
MAX_SKEW_S = 60.0


@dataclass(frozen=True, slots=True)
class Check:
    """Result of one check.

    Attributes:
        found: what the check saw.
        next_step: what to do when the check failed.
    """

    name: str
    is_passed: bool
    found: str
    next_step: str


def store_checks(storage: ObjectStorage) -> Iterator[Check]:
    """Run all checks, one after another, and delete their files in the end.

    Raises:
        StorageError: the store cannot be reached, or refuses to write, read, list or delete.
    """
    folder = f"leases/doctor-{uuid.uuid4().hex}"
    try:
        yield _check_permissions(storage, folder)
        yield _check_create_if_absent(storage, folder)
        yield _check_replace_if_match(storage, folder)
        yield _check_concurrent_appends(storage, folder)
        yield _check_clock(storage, folder)
        yield _check_versioning(storage)
    finally:
        for file in list(storage.list(folder)):
            storage.delete(file.path)


def _check_permissions(storage: ObjectStorage, folder: str) -> Check:
    path = f"{folder}/rights"
    storage.write(path, b"1")
    listed = [file.path for file in storage.list(folder)]
    is_passed = storage.read(path) == b"1" and listed == [path]
    storage.delete(path)
    is_passed = is_passed and not storage.exists(path)
    found = "written, listed, read and deleted" if is_passed else f"listed {listed}"
    return Check("rights", is_passed, found, "grant Put, Get, List and Delete on the prefix")


def _check_create_if_absent(storage: ObjectStorage, folder: str) -> Check:
    """Of many writers that create one name exactly one must win."""
    names = [f"{folder}/create-{number}" for number in range(ROUNDS)]
    wins = [sum(_run_concurrently(partial(storage.put_if_absent, name, b"mine"))) for name in names]
    return Check(
        "creating",
        wins == [1] * ROUNDS,
        f"winners among {WRITERS} writers of one name, {ROUNDS} times: {wins}",
        "use a store whose PutObject knows If-None-Match; turn bucket versioning off",
    )


def _check_replace_if_match(storage: ObjectStorage, folder: str) -> Check:
    """Of many writers that replace the same state exactly one must win."""
    path, wins = f"{folder}/replace", []
    etag = storage.put_if_match(path, b"0", None)
    for _ in range(ROUNDS):
        etags = _run_concurrently(partial(_replace, storage, path, etag))
        wins.append(sum(new is not None for new in etags))
        etag = (storage.read_with_etag(path) or (b"", ""))[1]
    return Check(
        "replacing",
        wins == [1] * ROUNDS,
        f"winners among {WRITERS} who replace one state, {ROUNDS} times: {wins}",
        "use a store whose PutObject knows If-Match; turn bucket versioning off",
    )


def _replace(storage: ObjectStorage, path: str, etag: str | None) -> str | None:
    return storage.put_if_match(path, uuid.uuid4().bytes, etag)


def _check_concurrent_appends(storage: ObjectStorage, folder: str) -> Check:
    """Every row whose commit was confirmed must be there, exactly once.

    CommitFailedError is no failure of the check: its writer knows that the row is not there.
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

    expected = 1 + sum(_run_concurrently(append))
    found = open_dataset(DeltaTable(address)).to_table().num_rows
    return Check(
        "appending",
        found == expected,
        f"{found} of {expected} rows that {WRITERS} writers of one Delta table saw confirmed",
        "do not use this store: it loses commits; one with conditional puts, unversioned, does not",
    )


def _check_clock(storage: ObjectStorage, folder: str) -> Check:
    storage.write(f"{folder}/clock", b"1")
    [file] = [file for file in storage.list(folder) if file.path.endswith("/clock")]
    # The only place that reads the clock itself: the check is about clocks.
    skew_s = (datetime.now(UTC) - file.written_at_utc).total_seconds()
    return Check(
        "clock",
        abs(skew_s) <= MAX_SKEW_S,
        f"the store's clock is {skew_s:+.0f} s behind this machine's",
        f"set this machine's clock (at most {MAX_SKEW_S:.0f} s apart): requests are signed by it",
    )


def _check_versioning(storage: ObjectStorage) -> Check:
    status, noncurrent = storage.versioning(), storage.noncurrent_count()
    return Check(
        "versions",
        status != "Enabled" and noncurrent == 0,
        f"bucket versioning: {status}; noncurrent versions below the lake: {noncurrent:,}",
        "suspend versioning, and delete noncurrent versions below the lake: they outlive an "
        "erasure, and on some stores they break conditional puts",
    )


def _run_concurrently(call: Callable[[], Any]) -> list[Any]:
    """Results of WRITERS threads that make the same call at the same moment."""
    starts_at = time.monotonic() + 0.05

    def wait_and_call(_: int) -> Any:
        time.sleep(max(0.0, starts_at - time.monotonic()))
        return call()

    with ThreadPoolExecutor(WRITERS) as pool:
        return list(pool.map(wait_and_call, range(WRITERS)))
