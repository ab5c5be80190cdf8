"""Files of the landing zone's manifests: where they lie, and how they are changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from feature_store.lake.lease import writer_lease
from jobs.landing.layout import LANDING

if TYPE_CHECKING:
    from datetime import date

    from feature_store.lake.storage import Storage

MANIFESTS = f"{LANDING}/_manifests"
_LEASE = "landing_manifests"


def manifest_path(day: date) -> str:
    """Path of a day's manifest in the lake."""
    return f"{MANIFESTS}/{day:%Y-%m-%d}.json"


@contextmanager
def manifest_lease(storage: Storage) -> Iterator[Callable[[], None]]:
    """Hold the lease of all manifests; yields a check to call just before each write.

    Raises:
        LeaseTaken, LeaseLost: as `writer_lease`.
    """
    with writer_lease(storage.uri(""), _LEASE) as check_lease:
        yield check_lease


def change_manifests(
    storage: Storage,
    days: Iterable[date],
    change: Callable[[dict[str, Any]], dict[str, Any]],
    check_lease: Callable[[], None],
) -> None:
    """Replace the content of the days' manifests where `change` gives another one.

    Args:
        storage: the lake.
        days: closed days.
        change: from a manifest's content to what it shall be, without changing its argument.
        check_lease: what `manifest_lease` yields; the caller holds it.
    """
    for day in days:
        stored = json.loads(storage.read(manifest_path(day)))
        changed = change(stored)
        if changed != stored:
            check_lease()
            storage.write(manifest_path(day), json.dumps(changed, indent=1).encode())
