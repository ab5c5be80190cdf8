"""Withdrawal of a landing file from its day, for a file that is gone, changed or wrong.

The manifest keeps the file with the reason. A table loses the file's rows when the day is run again
(`evensong backfill DAY NEWEST`: states are carried forward); a day that was not yet read is read
without it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from jobs.landing.layout import LandingError
from jobs.landing.manifest_files import change_manifests, manifest_lease
from jobs.landing.manifests import closed_days, read_manifest

if TYPE_CHECKING:
    from datetime import date, datetime

    from feature_store.lake.storage import Storage


def withdraw(storage: Storage, path: str, *, reason: str, actor: str, now: datetime) -> date:
    """Mark a listed file as withdrawn; returns the day whose manifest lists it.

    Args:
        storage: the lake.
        path: the file, relative to the lake.
        reason: why, for those who read the manifest.
        actor: who withdraws it.
        now: the time, UTC.

    Raises:
        LandingError: no manifest lists the file, or it is withdrawn already; or reason or actor is
            blank.
    """
    if not reason.strip() or not actor.strip():
        raise LandingError(f"landing: {path}: a withdrawal needs a reason and who withdraws it")
    note = f"{reason} ({actor}, {now:%Y-%m-%d %H:%M:%S} UTC)"
    with manifest_lease(storage) as check_lease:
        for day in reversed(closed_days(storage)):
            manifest = read_manifest(storage, day)
            if path in manifest.withdrawn:
                raise LandingError(
                    f"landing: {path} is withdrawn already: {manifest.withdrawn[path]}"
                )
            if any(file.path == path for file in manifest.files):
                change_manifests(storage, [day], partial(_withdrawn, path, note), check_lease)
                return day
    raise LandingError(
        f"landing: no closed day lists {path!r}; see `evensong landing list`; a file of an open "
        "day can simply be removed"
    )


def _withdrawn(path: str, note: str, manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest's content with the file marked."""
    files = [
        file | {"withdrawn": note} if file["path"] == path else file for file in manifest["files"]
    ]
    return manifest | {"files": files}
