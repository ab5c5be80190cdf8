"""Erasure of a person by request: first rows and published tables, then the tables' history.

`erase_rows` suppresses the person, rewrites landing files and tables, and republishes the tables.
`finish` waits for readers of the old versions, searches the tables once more, purges the old
versions, and appends a row to run_erasures. Between the two, training and the DAG remove the person
from models and logs. Each part is idempotent: a killed part can run again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import structlog

from feature_store.lake import spark_io
from feature_store.lake.arrow_io import append, read_table
from feature_store.lake.content_hash import spark_fingerprint
from feature_store.lake.delta_tables import exists, open_table
from feature_store.lake.lease import writer_lease
from feature_store.lake.storage import open_storage
from feature_store.privacy import requests, suppression
from feature_store.privacy.person_filter import Person
from feature_store.privacy.personal_data import has_personal_data
from feature_store.privacy.republish import erase_from_events, republish_tables
from feature_store.privacy.row_erasure import can_name_people
from feature_store.privacy.table_rewrite import (
    PinnedSlice,
    TableErasure,
    count_matching_rows,
    erase_from_table,
    purge_history,
)
from feature_store.publishing.snapshot import Event, Pin, current_event, events
from feature_store.spark.session import make_spark
from feature_store.tables import PUBLISHED_TABLES, TABLES
from feature_store.tables.runs import PUBLISHED_RUNS, RUN_ERASURES
from jobs.landing.erasure import erase_from_landing, matching_landing_rows
from jobs.privacy.leftovers import delete_leftovers
from jobs.privacy.reports import delete_reports, redact_lineage, rewrite_current_report

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from feature_store.contract import Table
    from feature_store.privacy.requests import Request
    from feature_store.settings import Settings

LOG = structlog.get_logger()


class UnknownPerson(LookupError):
    """No table and no landing file names this person."""


class ErasureIncomplete(RuntimeError):
    """New rows name the person after the tables had been rewritten."""


def utc_now() -> datetime:
    """The current time: the default clock of an erasure."""
    return datetime.now(UTC)


def request_erasure(
    settings: Settings, user_id: str, *, actor: str, now: datetime, even_unknown: bool = False
) -> str:
    """Record a request; returns its random id.

    Raises:
        UnknownPerson: no table and no landing file names the person.
        ValueError: the id is blank, or the actor's name contains it.
        PrivacyKeyMissing: the suppression list has no key here; nothing is recorded.
    """
    if not even_unknown and not _is_known(settings.lake, Person(user_id)):
        raise UnknownPerson(
            f"erase: no table and no landing file of {settings.lake} names {user_id!r}; check the "
            "id and EVENSONG_LAKE, or give --even-unknown to keep such a person out from now on"
        )
    suppression.ensure_key(settings)
    return requests.record_request(settings, user_id, actor=actor, now=now).request_id


def status(settings: Settings, request_id: str) -> str:
    """`pending`, or `finished` once run_erasures has the request's row.

    Raises:
        UnknownRequest: the request is neither pending nor finished.
    """
    if _is_finished(settings.lake, request_id):
        return "finished"
    requests.load_request(settings, request_id)
    return "pending"


def erase_rows(
    settings: Settings,
    request_id: str,
    *,
    spark: SparkSession | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> int | None:
    """Suppress the person, rewrite landing files and tables, and publish the new versions.

    Returns the number of the event that shows them to readers; None when nothing is published.

    Raises:
        UnknownRequest: no unfinished request has this id.
    """
    request = requests.load_request(settings, request_id)
    with writer_lease(settings.lake, suppression.LEASE):
        person = suppression.suppress(settings, request.user_id)
        landing = erase_from_landing(open_storage(settings.lake), person)
        removed = {"landing": landing.rows, "landing file names": landing.renamed}
        requests.add_removed_counts(settings, request_id, removed)
        _erase_from_published_tables(settings, request, spark, clock)
        for table in _tables_that_can_name_people(settings.lake):
            if table not in PUBLISHED_TABLES:
                erasure = erase_from_table(settings.lake, table, person)
                _record_erasure(settings, request_id, table, erasure)
        suppression.mark_rewritten(settings.lake)
    _erase_from_run_history(settings, request_id, clock)
    LOG.info("erased rows", request_id=request_id)
    return requests.load_request(settings, request_id).event_number


def finish(settings: Settings, request_id: str, *, clock: Callable[[], datetime] = utc_now) -> None:
    """Purge old versions after the readers' grace time, and record the erasure in run_erasures.

    Raises:
        UnknownRequest: no unfinished request has this id.
        ErasureIncomplete: a table names the person again; run the erasure again.
    """
    if _is_finished(settings.lake, request_id):
        requests.delete_request(settings, request_id)
        return
    request = requests.load_request(settings, request_id)
    time.sleep(settings.privacy.reader_grace_s)
    # A run that read its inputs before erase_rows may since have named the person in an event.
    _erase_from_run_history(settings, request_id, clock)
    leftovers = delete_leftovers(open_storage(settings.lake), Person(request.user_id), clock())
    requests.add_removed_counts(settings, request_id, {"leftovers": leftovers})
    request = requests.load_request(settings, request_id)
    current = current_event(events(settings.lake))
    _check_erased(settings.lake, request, current)
    removed_files = 0
    for table in [
        *_tables_to_purge(settings.lake, request),
        *_published_runs_table(settings.lake),
    ]:
        removed_files += purge_history(settings.lake, table, keep=_pinned_versions(current, table))
    _append_erasure_record(settings, request, removed_files, clock())
    requests.delete_request(settings, request_id)
    LOG.info("erasure finished", request_id=request_id, removed_files=removed_files)


def _erase_from_run_history(
    settings: Settings, request_id: str, clock: Callable[[], datetime]
) -> None:
    """Erase the person from what describes earlier runs: events, reports and lineage."""
    person = Person(requests.load_request(settings, request_id).user_id)
    _record_erasure(settings, request_id, PUBLISHED_RUNS, _from_events(settings, person))
    deleted = delete_reports(open_storage(settings.lake), person)
    rewrite_current_report(settings, deleted, now=clock())
    removed = {"reports": len(deleted), "lineage": redact_lineage(settings, person)}
    requests.add_removed_counts(settings, request_id, removed)


def _is_known(lake: str, person: Person) -> bool:
    if any(count_matching_rows(lake, table, person) for table in _tables_with_personal_data(lake)):
        return True
    return any(True for _ in matching_landing_rows(open_storage(lake), person))


def _tables_with_personal_data(lake: str) -> list[Table]:
    """Existing tables with personal data, except published_runs, whose writers take no lease."""
    return [table for table in _tables_that_can_name_people(lake) if has_personal_data(table)]


def _tables_that_can_name_people(lake: str) -> list[Table]:
    """As above, and tables that only the name of a landing file can make name a person."""
    return [
        table
        for table in TABLES.values()
        if table is not PUBLISHED_RUNS and can_name_people(table) and exists(lake, table)
    ]


def _erase_from_published_tables(
    settings: Settings,
    request: Request,
    spark: SparkSession | None,
    clock: Callable[[], datetime],
) -> None:
    """Rewrite the published tables and append the event that pins their new versions."""
    lake, person = settings.lake, Person(request.user_id)
    current = current_event(events(lake))
    is_done = current is not None and current.event_number == request.event_number
    pinned = current if not is_done else None
    erasures = {
        table: erase_from_table(lake, table, person, pinned=_slice_of(pinned, table))
        for table in _tables_with_personal_data(lake)
        if table in PUBLISHED_TABLES
    }
    for table, erasure in erasures.items():
        _record_erasure(settings, request.request_id, table, erasure)
    if pinned is None:
        return
    pins = {
        table.name: _pin(spark or make_spark(settings), lake, table, erasure, pinned)
        for table, erasure in erasures.items()
        if erasure is not None
    }
    event = republish_tables(
        lake, pins, request_id=request.request_id, actor=request.actor, now=clock()
    )
    stored = requests.load_request(settings, request.request_id)
    requests.save_request(settings, replace(stored, event_number=event.event_number))


def _slice_of(event: Event | None, table: Table) -> PinnedSlice | None:
    versions = _pinned_versions(event, table)
    return PinnedSlice(versions[0], event.as_of) if event is not None and versions else None


def _pinned_versions(event: Event | None, table: Table) -> list[int]:
    pins = event.tables if event is not None else ()
    return [pin.table_version for pin in pins if pin.table_name == table.name]


def _pin(spark: SparkSession, lake: str, table: Table, erasure: TableErasure, event: Event) -> Pin:
    rows = spark_io.read(spark, lake, table, as_of=event.as_of, version=erasure.version)
    return Pin(table.name, erasure.version, *spark_fingerprint(rows, table))


def _from_events(settings: Settings, person: Person) -> TableErasure | None:
    if not exists(settings.lake, PUBLISHED_RUNS):
        return None
    return erase_from_events(settings.lake, person)


def _tables_to_purge(lake: str, request: Request) -> list[Table]:
    """Tables whose earlier versions may hold the person; no other history is touched."""
    return [
        table
        for table in _tables_that_can_name_people(lake)
        if has_personal_data(table) or table.name in request.rewritten_tables
    ]


def _published_runs_table(lake: str) -> list[Table]:
    return [PUBLISHED_RUNS] if exists(lake, PUBLISHED_RUNS) else []


def _record_erasure(
    settings: Settings, request_id: str, table: Table, erasure: TableErasure | None
) -> None:
    if erasure is None or not erasure.removed + erasure.changed:
        return
    row_count = erasure.removed + erasure.changed
    requests.add_removed_counts(settings, request_id, {table.name: row_count})
    request = requests.load_request(settings, request_id)
    names = tuple(sorted({*request.rewritten_tables, table.name}))
    requests.save_request(settings, replace(request, rewritten_tables=names))


def _check_erased(lake: str, request: Request, current: Event | None) -> None:
    """Refuse to finish while the newest rows or the published rows name the person."""
    for table in _tables_that_can_name_people(lake):
        versions = {open_table(lake, table).version(), *_pinned_versions(current, table)}
        person = Person(request.user_id)
        count = sum(count_matching_rows(lake, table, person, version) for version in versions)
        if count:
            raise ErasureIncomplete(
                f"{table.name}: {count} rows name the person of request {request.request_id} "
                "again: a writer bypassed the jobs; stop it, then run evensong_erase again "
                f"with request_id = {request.request_id}"
            )


def _is_finished(lake: str, request_id: str) -> bool:
    if not exists(lake, RUN_ERASURES):
        return False
    return request_id in read_table(lake, RUN_ERASURES)["request_id"].to_pylist()


def _append_erasure_record(
    settings: Settings, request: Request, removed_files: int, now: datetime
) -> None:
    row = {
        "request_id": request.request_id,
        "requested_at_utc": request.requested_at_utc,
        "finished_at_utc": now,
        "actor": request.actor,
        "removed": [
            {"name": name, "row_count": count} for name, count in request.removed.items() if count
        ],
        "rewritten_tables": list(request.rewritten_tables),
        "removed_file_count": removed_files,
        "event_number": request.event_number,
    }
    append(
        settings.lake,
        RUN_ERASURES,
        pa.Table.from_pylist([row], schema=RUN_ERASURES.arrow_schema),
        commit_note=f"erasure {request.request_id}",
    )
