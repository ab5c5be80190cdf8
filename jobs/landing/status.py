"""What became of each landing file of a day, for `evensong landing list`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobs.landing.layout import LandingError
from jobs.landing.manifests import byte_counts_now, closed_days, read_manifest

if TYPE_CHECKING:
    from datetime import date

    from feature_store.lake.storage import Storage


def files_of_day(storage: Storage, day: date) -> list[dict[str, Any]]:
    """Rows of path, status (listed, withdrawn, changed, gone, not taken), byte_count and reason.

    Raises:
        LandingError: the day is not closed.
    """
    if day not in closed_days(storage):
        raise LandingError(f"landing: {day} is not closed; a night of that day closes it")
    manifest = read_manifest(storage, day)
    found = byte_counts_now(storage, manifest.files)
    rows = []
    for file in manifest.files:
        byte_count, reason = found.get(file.path), manifest.withdrawn.get(file.path)
        status = "withdrawn" if reason else _status(file.byte_count, byte_count)
        rows.append(_row(file.path, status, byte_count, reason))
    rows += [_row(one.path, "not taken", None, one.reason) for one in manifest.not_taken]
    return rows


def _status(listed_byte_count: int, byte_count: int | None) -> str:
    if byte_count is None:
        return "gone"
    return "listed" if byte_count == listed_byte_count else "changed"


def _row(path: str, status: str, byte_count: int | None, reason: str | None) -> dict[str, Any]:
    return {"path": path, "status": status, "byte_count": byte_count, "reason": reason}
