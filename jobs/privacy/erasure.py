"""Erase a person by request: rows and readers first, then the history that still remembers.

`erase_rows` suppresses the person, rewrites landing files and tables, and re-pins what readers see.
`finish` waits for readers of the old versions, deletes these, looks once more, and leaves the
evidence. Between the two, training and the DAG take the person out of models and logs. Each part
may be killed and run again.
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
from feature_store.lake.delta_tables import exists, open_table
from feature_store.lake.lease import writer_lease
from feature_store.lake.storage import open_storage
from feature_store.privacy import requests, suppression
from feature_store.privacy.person_filter import Person, names_people
from feature_store.privacy.republish import erase_from_events, repin
from feature_store.privacy.table_rewrite import (
    PinnedSlice,
    Rewritten,
    count_named,
    forget_history,
    rewrite,
)
from feature_store.publishing.snapshot import Event, Pin, current_event, events
from feature_store.spark.session import make_spark
from feature_store.tables import PUBLISHED_TABLES, TABLES
from feature_store.tables.runs import PUBLISHED_RUNS, RUN_ERASURES
from jobs.privacy.landing import erase_from_landing, landing_rows_about
from jobs.privacy.pages import delete_reports, mask_lineage, rewrite_current_report

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from feature_store.contract import Table
    from feature_store.privacy.requests import Request
    from feature_store.settings import Settings

LOG = structlog.get_logger()


class NobodyCalled(LookupError):
    """Nothing that is stored names such a person."""


class StillNamed(RuntimeError):
    """Rows that name the person turned up after the tables had been rewritten."""


def utc_now() -> datetime:
    """The clock, which stamps what an erasure did."""
    return datetime.now(UTC)


def request_erasure(
    settings: Settings, user_id: str, *, actor: str, now: datetime, even_unknown: bool = False
) -> str:
    """Record a request and return its id, which says nothing of the person.

    Raises:
        NobodyCalled: no table and no landing file names the person.
        ValueError: the id or the actor's name cannot be used.
    """
    if not even_unknown and not _is_known(settings.lake, Person(user_id)):
        raise NobodyCalled(
            f"erase: no table and no landing file of {settings.lake} names {user_id!r}; check the "
            "id and EVENSONG_LAKE, or give --even-unknown to keep such a person out from now on"
        )
    return requests.record_request(settings, user_id, actor=actor, now=now).request_id


def status(settings: Settings, request_id: str) -> str:
    """`pending`, or `finished` once the evidence is there.

    Raises:
        UnknownRequest: neither.
    """
    if _evidence(settings.lake, request_id):
        return "finished"
    requests.request_called(settings, request_id)
    return "pending"


def erase_rows(
    settings: Settings,
    request_id: str,
    *,
    spark: SparkSession | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> None:
    """Suppress the person, rewrite landing and tables, and show readers the new versions.

    Raises:
        UnknownRequest: there is no unfinished request of that id.
    """
    request = requests.request_called(settings, request_id)
    person = Person(request.user_id)
    with writer_lease(settings.lake, suppression.LEASE):
        suppression.suppress(settings, request.user_id)
        landing = erase_from_landing(open_storage(settings.lake), person)
        requests.add_removed(settings, request_id, {"landing": landing.rows})
        _publish_without(settings, request, spark, clock)
        for table in _tables_that_name_people(settings.lake):
            if table not in PUBLISHED_TABLES:
                _note(settings, request_id, table, rewrite(settings.lake, table, person))
        suppression.mark_rewritten(settings.lake)
    _erase_from_pages(settings, request_id, clock)
    LOG.info("erased rows", request_id=request_id)


def finish(settings: Settings, request_id: str, *, clock: Callable[[], datetime] = utc_now) -> None:
    """Delete old versions once their readers had time to end, and leave the evidence.

    Raises:
        UnknownRequest: there is no unfinished request of that id.
        StillNamed: a table names the person again; run the erasure again.
    """
    if _evidence(settings.lake, request_id):
        requests.forget_request(settings, request_id)
        return
    request = requests.request_called(settings, request_id)
    time.sleep(settings.privacy.reader_grace_s)
    # What was at work when the rows went may have named the person since, in an event or a page.
    _erase_from_pages(settings, request_id, clock)
    current = current_event(events(settings.lake))
    _refuse_named(settings.lake, request, current)
    removed_files = 0
    for table in [*_tables_that_name_people(settings.lake), *_events_table(settings.lake)]:
        removed_files += forget_history(settings.lake, table, keep=_pinned_versions(current, table))
    _append_evidence(settings, request, removed_files, clock())
    requests.forget_request(settings, request_id)
    LOG.info("erasure finished", request_id=request_id, removed_files=removed_files)


def _erase_from_pages(settings: Settings, request_id: str, clock: Callable[[], datetime]) -> None:
    """Events, reports and lineage: what tells of runs."""
    person = Person(requests.request_called(settings, request_id).user_id)
    _note(settings, request_id, PUBLISHED_RUNS, _from_events(settings, person))
    deleted = delete_reports(open_storage(settings.lake), person)
    rewrite_current_report(settings, deleted, now=clock())
    pages = {"reports": len(deleted), "lineage": mask_lineage(settings, person)}
    requests.add_removed(settings, request_id, pages)


def _is_known(lake: str, person: Person) -> bool:
    if any(count_named(lake, table, person) for table in _tables_that_name_people(lake)):
        return True
    return any(True for _ in landing_rows_about(open_storage(lake), person))


def _tables_that_name_people(lake: str) -> list[Table]:
    """Tables that are there, without published_runs, which takes no lease."""
    return [
        table
        for table in TABLES.values()
        if table is not PUBLISHED_RUNS and names_people(table) and exists(lake, table)
    ]


def _publish_without(
    settings: Settings,
    request: Request,
    spark: SparkSession | None,
    clock: Callable[[], datetime],
) -> None:
    """Rewrite the published tables and append the event that shows them to readers."""
    lake, person = settings.lake, Person(request.user_id)
    current = current_event(events(lake))
    is_done = current is not None and current.event_number == request.event_number
    pinned = current if not is_done else None
    results = {
        table: rewrite(lake, table, person, pinned=_slice_of(pinned, table))
        for table in _tables_that_name_people(lake)
        if table in PUBLISHED_TABLES
    }
    for table, result in results.items():
        _note(settings, request.request_id, table, result)
    if pinned is None:
        return
    pins = {
        table.name: _pin(spark or make_spark(settings), lake, table, result, pinned)
        for table, result in results.items()
        if result is not None
    }
    event = repin(lake, pins, request_id=request.request_id, actor=request.actor, now=clock())
    stored = requests.request_called(settings, request.request_id)
    requests.save_request(settings, replace(stored, event_number=event.event_number))


def _slice_of(event: Event | None, table: Table) -> PinnedSlice | None:
    versions = _pinned_versions(event, table)
    return PinnedSlice(versions[0], event.as_of) if event is not None and versions else None


def _pinned_versions(event: Event | None, table: Table) -> list[int]:
    pins = event.tables if event is not None else ()
    return [pin.table_version for pin in pins if pin.table_name == table.name]


def _pin(spark: SparkSession, lake: str, table: Table, result: Rewritten, event: Event) -> Pin:
    rows = spark_io.read(spark, lake, table, as_of=event.as_of, version=result.version)
    return Pin(table.name, result.version, *spark_io.fingerprint(rows, table))


def _from_events(settings: Settings, person: Person) -> Rewritten | None:
    if not exists(settings.lake, PUBLISHED_RUNS):
        return None
    return erase_from_events(settings.lake, person)


def _events_table(lake: str) -> list[Table]:
    return [PUBLISHED_RUNS] if exists(lake, PUBLISHED_RUNS) else []


def _note(settings: Settings, request_id: str, table: Table, result: Rewritten | None) -> None:
    if result is None or not result.removed + result.changed:
        return
    requests.add_removed(settings, request_id, {table.name: result.removed + result.changed})
    request = requests.request_called(settings, request_id)
    names = tuple(sorted({*request.rewritten_tables, table.name}))
    requests.save_request(settings, replace(request, rewritten_tables=names))


def _refuse_named(lake: str, request: Request, current: Event | None) -> None:
    """Whether the newest rows, or those that readers see, name the person again."""
    for table in _tables_that_name_people(lake):
        versions = {open_table(lake, table).version(), *_pinned_versions(current, table)}
        person = Person(request.user_id)
        count = sum(count_named(lake, table, person, version) for version in versions)
        if count:
            raise StillNamed(
                f"{table.name}: {count} rows name the person of request {request.request_id} "
                "again: something wrote around the jobs; stop it, then run evensong_erase again "
                f"with request_id = {request.request_id}"
            )


def _evidence(lake: str, request_id: str) -> bool:
    if not exists(lake, RUN_ERASURES):
        return False
    return request_id in read_table(lake, RUN_ERASURES)["request_id"].to_pylist()


def _append_evidence(
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
        settings.lake, RUN_ERASURES, pa.Table.from_pylist([row], schema=RUN_ERASURES.arrow_schema)
    )
