"""Erasure from reports and lineage files.

A report that names a person also shows the person's listening, so it is deleted. The report of the
current run is written again. Lineage files keep their lines, with a placeholder for the ids.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from feature_store.lake.storage import open_storage
from feature_store.privacy.log_files import files_below, redact_log, redact_stored
from feature_store.publishing.snapshot import current_event, events
from feature_store.settings import Night
from jobs.report.report import write_report

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from feature_store.lake.storage import Storage
    from feature_store.privacy.person_filter import People, Person
    from feature_store.settings import Settings

_REPORTS = "reports"
_LINEAGE = "lineage"


def delete_reports(storage: Storage, people: Person | People) -> dict[str, set[str]]:
    """Delete every report that names one of the people; returns the ids by the report's path."""
    named = {}
    for file in storage.list(_REPORTS):
        text = storage.read(file.path).decode(errors="replace")
        ids = {*people.known_in_path(file.path), *people.known_in_text(text)}
        if ids:
            named[file.path] = ids
    for path in named:
        storage.delete(path)
    return named


def rewrite_current_report(settings: Settings, deleted: Collection[str], *, now: datetime) -> None:
    """Write the report of the current run again if its path is among `deleted`."""
    current = current_event(events(settings.lake))
    if current is not None and any(current.run_id in path for path in deleted):
        write_report(Night(current.as_of, current.run_id, settings), now=now)


def redact_lineage(settings: Settings, people: Person | People) -> Counter[str]:
    """Redact the ids in lineage files of the lake and of the state; returns the files by id."""
    changed = redact_stored(open_storage(settings.lake), _LINEAGE, people)
    for file in list(files_below(settings.state / _LINEAGE)):
        changed.update(redact_log(file, people))
    return changed
