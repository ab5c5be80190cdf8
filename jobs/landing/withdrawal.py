"""Withdrawal of a landing file from its day, for a file that is gone, changed or wrong.

The manifest keeps the file with the reason. A table loses the file's rows when the day is run again
(`evensong backfill DAY NEWEST`: states are carried forward); a day that was not yet read is read
without it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from jobs.landing.layout import LandingError
from jobs.landing.manifests import closed_days, manifest_path

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
    for day in reversed(closed_days(storage)):
        stored = json.loads(storage.read(manifest_path(day)))
        for file in stored["files"]:
            if file["path"] != path:
                continue
            if "withdrawn" in file:
                raise LandingError(f"landing: {path} is withdrawn already: {file['withdrawn']}")
            file["withdrawn"] = f"{reason} ({actor}, {now:%Y-%m-%d %H:%M:%S} UTC)"
            storage.write(manifest_path(day), json.dumps(stored, indent=1).encode())
            return day
    raise LandingError(
        f"landing: no closed day lists {path!r}; see `evensong landing list`; a file of an open "
        "day can simply be removed"
    )
