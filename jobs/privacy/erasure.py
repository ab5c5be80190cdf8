"""Erasure of people by request: first rows and published tables, then the tables' history.

`erase_rows` suppresses the people, rewrites landing files and tables, and republishes the tables.
`finish` waits for readers of the old versions, searches the tables once more, purges the old
versions, and appends rows to run_erasures. Between the two, training and the DAG remove the people
from models and logs. Each part takes any number of requests at once: it reads a table or file once
for all of them, and each request keeps its own counts. Each part is idempotent: a killed part can
run again, with the same requests or with others.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from feature_store.lake.delta_tables import exists, open_table
from feature_store.lake.lease import writer_lease
from feature_store.lake.storage import open_storage
from feature_store.privacy import requests, suppression
from feature_store.privacy.batch import Batch, load_batch
from feature_store.privacy.person_filter import Person
from feature_store.privacy.republish import erase_from_events
from feature_store.privacy.table_rewrite import (
    count_matching_rows,
    count_rows_by_person,
    purge_history,
)
from feature_store.publishing.snapshot import Event, current_event, events
from feature_store.tables.runs import PUBLISHED_RUNS
from jobs.landing.erasure import names_person, searchable_files
from jobs.privacy.evidence import append_evidence
from jobs.privacy.leftovers import delete_leftovers
from jobs.privacy.personal_tables import (
    tables_that_can_name_people,
    tables_to_purge,
    tables_with_personal_data,
)
from jobs.privacy.reports import delete_reports, redact_lineage, rewrite_current_report
from jobs.privacy.republication import pinned_versions
from jobs.privacy.row_pass import erase_from_lake

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from feature_store.settings import Settings

LOG = structlog.get_logger()


class UnknownPerson(LookupError):
    """No table and no landing file names this person."""


class ErasureIncomplete(RuntimeError):
    """New rows name a person after the tables had been rewritten."""


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
    if requests.finished_among(settings.lake, [request_id]):
        return "finished"
    requests.load_request(settings, request_id)
    return "pending"


def erase_rows(
    settings: Settings,
    *request_ids: str,
    spark: SparkSession | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> int | None:
    """Suppress the people, rewrite landing files and tables, and publish the new versions.

    Returns the number of the event that shows them to readers; None when nothing is published.

    Raises:
        UnknownRequest: a request is not there or finished.
        LeaseTaken: a writer, or another erasure, held a table for too long; run it again.
        ErasureOvertaken: other runs kept writing rows about the people; run it again.
    """
    with writer_lease(settings.lake, suppression.ERASURES_LEASE):
        batch = load_batch(settings, request_ids)
        erase_from_lake(batch, spark=spark, clock=clock)
        _erase_from_run_history(batch, clock)
        LOG.info("erased rows", request_ids=batch.request_ids)
        numbers = [each.event_number for each in batch.reloaded().requests]
    return max((number for number in numbers if number is not None), default=None)


def finish(settings: Settings, *request_ids: str, clock: Callable[[], datetime] = utc_now) -> None:
    """Purge old versions after the readers' grace time, and record the erasures in run_erasures.

    Raises:
        UnknownRequest: a request is not there, and no row of run_erasures has it.
        ErasureIncomplete: a table names some of the people again; the other requests are finished.
    """
    finished = requests.finished_among(settings.lake, request_ids)
    for request_id in finished:
        requests.delete_request(settings, request_id)
    unfinished = tuple(each for each in request_ids if each not in finished)
    if not unfinished:
        return
    requests.load_requests(settings, unfinished)
    time.sleep(settings.privacy.reader_grace_s)
    with writer_lease(settings.lake, suppression.ERASURES_LEASE):
        _finish_batch(load_batch(settings, unfinished), clock)


def _finish_batch(batch: Batch, clock: Callable[[], datetime]) -> None:
    settings = batch.settings
    # A run that read its inputs before erase_rows may since have named a person in an event.
    _erase_from_run_history(batch, clock)
    batch.add_to_all(
        {"leftovers": delete_leftovers(open_storage(settings.lake), batch.people, clock())}
    )
    current, named = _current_and_named_again(batch)
    done = [each for each in batch.reloaded().requests if each.user_id not in named]
    if done:
        removed_files = sum(
            purge_history(settings.lake, table, keep=pinned_versions(current, table))
            for table in tables_to_purge(settings.lake, done)
        )
        append_evidence(settings.lake, done, removed_files, clock())
        for request in done:
            requests.delete_request(settings, request.request_id)
        LOG.info(
            "erasures finished",
            request_ids=[request.request_id for request in done],
            removed_files=removed_files,
        )
    if named:
        _refuse_named(batch, named)


def _erase_from_run_history(batch: Batch, clock: Callable[[], datetime]) -> None:
    """Erase the people from what describes earlier runs: events, reports and lineage."""
    settings, people = batch.settings, batch.people
    if exists(settings.lake, PUBLISHED_RUNS):
        erasure = erase_from_events(settings.lake, people)
        if erasure is not None:
            batch.add(PUBLISHED_RUNS.name, erasure.by_person, is_table=True)
    deleted = delete_reports(open_storage(settings.lake), people)
    rewrite_current_report(settings, deleted, now=clock())
    batch.add("reports", Counter(user_id for ids in deleted.values() for user_id in ids))
    batch.add("lineage", redact_lineage(settings, people))


def _is_known(lake: str, person: Person) -> bool:
    if any(count_matching_rows(lake, table, person) for table in tables_with_personal_data(lake)):
        return True
    storage = open_storage(lake)
    return any(names_person(storage, file, person) for file in searchable_files(storage))


def _current_and_named_again(batch: Batch) -> tuple[Event | None, dict[str, Counter[str]]]:
    """The current event, and `_named_again` for it.

    A run that is published during the long search pins versions that the purge has to keep.
    """
    while True:
        current = current_event(events(batch.settings.lake))
        named = _named_again(batch, current)
        if current_event(events(batch.settings.lake)) == current:
            return current, named


def _named_again(batch: Batch, current: Event | None) -> dict[str, Counter[str]]:
    """By user id, how many rows of which tables name the person in what readers or nights see."""
    named: dict[str, Counter[str]] = {}
    lake = batch.settings.lake
    for table in tables_that_can_name_people(lake):
        versions = {open_table(lake, table).version(), *pinned_versions(current, table)}
        for user_id, count in count_rows_by_person(lake, table, batch.people, versions).items():
            named.setdefault(user_id, Counter())[table.name] += count
    return named


def _refuse_named(batch: Batch, named: dict[str, Counter[str]]) -> None:
    """Name the tables and the requests, and no person."""
    unfinished = [each.request_id for each in batch.requests if each.user_id in named]
    tables = sum(named.values(), Counter[str]())
    rows = ", ".join(f"{name}: {count} rows" for name, count in sorted(tables.items()))
    raise ErasureIncomplete(
        f"{rows} name the people of the requests {', '.join(unfinished)} again: a writer bypassed "
        "the jobs; stop it, then run evensong_erase again with these requests, or `evensong erase "
        "--resume`"
    )
