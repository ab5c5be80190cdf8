"""Half-written files of killed processes: an erasure deletes those that name the people."""

from __future__ import annotations

from datetime import datetime, timedelta

from feature_store.lake.storage import TEMPORARY, FolderStorage, Storage
from feature_store.privacy.person_filter import PersonFilter
from feature_store.privacy.requests import REQUESTS
from jobs.landing.file_erasure import names_person
from jobs.landing.layout import leave_out

_ABANDONED_AFTER = timedelta(hours=1)  # a file is written in one go, in seconds


def delete_leftovers(storage: Storage, person_filter: PersonFilter, now: datetime) -> int:
    """Delete half-written files that name the people or are an hour old; returns how many.

    A writer that lives finds its file gone and fails, as it should: it was writing about them.
    """
    if not isinstance(storage, FolderStorage):
        return 0  # an object is there as a whole or not at all
    deleted = 0
    for file in list(storage.list("", leave_out)):
        if not _is_half_written(file.path):
            continue
        is_old = now - file.written_at_utc > _ABANDONED_AFTER
        if not storage.exists(file.path):
            continue  # its writer has just given it its name
        if is_old or names_person(storage, file.path, person_filter):
            storage.delete(file.path)
            deleted += 1
    return deleted


def _is_half_written(path: str) -> bool:
    folder, _, name = path.rpartition("/")
    return name.startswith(TEMPORARY) or (folder == REQUESTS and name.startswith("."))
