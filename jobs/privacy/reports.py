"""Erasure from reports and lineage files.

A report that names the person also shows the person's listening, so it is deleted. The report of
the current run is written again. Lineage files keep their lines, with a placeholder for the id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from feature_store.lake.storage import open_storage
from feature_store.privacy.log_files import files_below, redact_log, redact_stored
from feature_store.publishing.snapshot import current_event, events
from feature_store.settings import Night
from jobs.report.report import write_report

if TYPE_CHECKING:
    from datetime import datetime

    from feature_store.lake.storage import Storage
    from feature_store.privacy.person_filter import Person
    from feature_store.settings import Settings

_REPORTS = "reports"
_LINEAGE = "lineage"


def delete_reports(storage: Storage, person: Person) -> list[str]:
    """Delete every report that names the person; returns their paths."""
    named = [
        file.path
        for file in storage.list(_REPORTS)
        if person.rename(file.path) != file.path
        or person.matches_text(storage.read(file.path).decode(errors="replace"))
    ]
    for path in named:
        storage.delete(path)
    return named


def rewrite_current_report(settings: Settings, deleted: list[str], *, now: datetime) -> None:
    """Write the report of the current run again if its path is among `deleted`."""
    current = current_event(events(settings.lake))
    if current is not None and any(current.run_id in path for path in deleted):
        write_report(Night(current.as_of, current.run_id, settings), now=now)


def redact_lineage(settings: Settings, person: Person) -> int:
    """Redact the id in lineage files of the lake and of the state; returns the files changed."""
    local = list(files_below(settings.state / _LINEAGE))
    return redact_stored(open_storage(settings.lake), _LINEAGE, person) + sum(
        redact_log(file, person) for file in local
    )
