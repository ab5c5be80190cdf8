"""Write-audit-publish: one exclusive commit to published_runs makes staged slices current.

A night stages its rec_ slices, `verify_staged_slices` reads them back, the gates audit them, and
`append_event` publishes them. Until that commit readers keep the earlier tables.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime
from importlib.metadata import version
from typing import Literal

import pyarrow as pa

from feature_store.as_of import check_as_of
from feature_store.lake.delta_tables import commit_properties, ensure_table, open_table
from feature_store.publishing.gates import GateFailed, GateResult
from feature_store.publishing.own_events import (
    publication_of,
    repeated_event,
    repeated_request,
)
from feature_store.publishing.snapshot import (
    Event,
    NothingPublished,
    Pin,
    Snapshot,
    current_event,
    erased_since,
    events,
)
from feature_store.publishing.waivers import apply_waivers
from feature_store.settings import Night
from feature_store.tables import PUBLISHED_TABLES
from feature_store.tables.runs import PUBLISHED_RUNS

Mode = Literal["auto", "stage_only", "make_current"]

_COMMIT_ATTEMPTS = 5


class RunErased(LookupError):
    """The run holds a person who was erased since, so its versions are deleted for good."""


class CurrentMoved(RuntimeError):
    """Another event became current before this commit."""


def publish(
    night: Night,
    *,
    pins: Sequence[Pin],
    gates: Sequence[GateResult],
    inputs: Sequence[Pin],
    model_versions: Sequence[str],
    current: Event | None,
    mode: Mode,
    actor: str,
    now: datetime,
) -> Event:
    """Append the night's event: `publish`, `stage_only`, or `blocked` when a gate blocks it.

    `current` is the event that was current when the gates compared. When another event is current
    by now, the comparison is out of date and nothing is appended.

    A run whose versions are published already gets that event back, and nothing is appended: its
    task runs again after the commit.

    With mode `auto`, a run of an earlier day than the current one is only staged, so a backfill
    never takes readers back, even when the later day was published while the backfill ran.
    A waived rule does not block.

    Raises:
        GateFailed: a gate blocks the run; the blocked event is recorded first.
        CurrentMoved: another event became current meanwhile.
        DayAhead: the night's day is later than tomorrow.
    """
    check_as_of(night.as_of, now)
    done = own_publication(night, pins)
    if done is not None:
        return done
    results = apply_waivers(night.settings.lake, night.run_id, gates)
    blocking = [gate for gate in results if gate.is_blocking]
    if mode == "auto":
        current = _newer_publication(night) or current
    event = Event(
        event_number=0,  # append_event numbers it
        replaces_event=current.event_number if current else None,
        action="blocked" if blocking else _action(night, current, mode),
        run_id=night.run_id,
        as_of=night.as_of,
        actor=actor,
        reason="; ".join(gate.rule for gate in blocking) or None,
        tables=tuple(pins),
        gates=tuple(gate.as_row() for gate in results),
        inputs=tuple(inputs),
        model_versions=tuple(model_versions),
        code_version=version("evensong"),
        contract_version=contract_version(),
        recorded_at_utc=now,
    )
    appended = append_event(night.settings.lake, event)
    if blocking:
        raise GateFailed(_blocked_message(blocking, appended, current))
    return appended


def own_publication(night: Night, pins: Sequence[Pin]) -> Event | None:
    """The event that published these versions of the run; None before its publication."""
    return publication_of(night.run_id, pins, events(night.settings.lake))


def rollback(lake: str, run_id: str, *, actor: str, reason: str | None, now: datetime) -> Event:
    """Make an earlier published run current again, by one appended event.

    Raises:
        NothingPublished: the run was never published.
        RunErased: the run holds a person who was erased since.
        TableMissing: a pinned version is deleted.
        CurrentMoved: another event became current meanwhile.
        DayAhead: the run's day is later than tomorrow.
    """
    history = events(lake)
    # An erase event pins the versions of the run that was current during the erasure.
    pinning = ("publish", "erase")
    published_events = [
        event for event in history if event.run_id == run_id and event.action in pinning
    ]
    current = current_event(history)
    if not published_events or current is None:
        published = sorted({event.run_id for event in history if event.action == "publish"})
        raise NothingPublished(
            f"published_runs: no published run is called {run_id!r}; published: "
            f"{', '.join(published) or 'none'}; see `evensong published`"
        )
    target = published_events[-1]
    check_as_of(target.as_of, now)
    check_not_erased(target, history)
    event = replace(
        target,
        event_number=len(history) + 1,
        replaces_event=current.event_number,
        action="rollback",
        actor=actor,
        reason=reason,
        recorded_at_utc=now,
    )
    done = repeated_request(event, current)
    if done is not None:
        return done
    restored = Snapshot(lake, target)
    for pin in restored.event.tables:
        restored.read(pin.table_name, columns=["as_of_date"])
    return append_event(lake, event)


def check_not_erased(event: Event, history: Sequence[Event]) -> None:
    """Refuse an event whose pinned versions an erasure deleted.

    Raises:
        RunErased: names the erase event, and the command that computes the day again.
    """
    erased = erased_since(event, history)
    if erased is not None:
        raise RunErased(
            f"published_runs: run {event.run_id} of {event.as_of} held a person who was erased "
            f"since (event {erased.event_number}); its versions are gone and cannot be restored; "
            f"run the night again: `evensong night --as-of {event.as_of} --publish make_current`"
        )


def append_event(lake: str, event: Event) -> Event:
    """Append one event to published_runs in an exclusive commit, numbered after the newest event.

    An event that the run has appended already is returned as it is.

    Raises:
        CurrentMoved: the current event is not the one that `event` replaces.
    """
    from deltalake import write_deltalake
    from deltalake.exceptions import CommitFailedError

    ensure_table(lake, PUBLISHED_RUNS)
    for _ in range(_COMMIT_ATTEMPTS):
        opened = open_table(lake, PUBLISHED_RUNS)
        history = events(lake, version=opened.version())
        done = repeated_event(event, history)
        if done is not None:
            return done
        _check_current(event, current_event(history))
        numbered = replace(event, event_number=len(history) + 1)
        try:
            # No retries: a commit that lost the race must read the new events first.
            write_deltalake(
                opened,
                _as_rows(numbered),
                mode="append",
                commit_properties=commit_properties(numbered.commit_note, is_retried=False),
            )
        except CommitFailedError:
            continue
        return numbered
    raise CurrentMoved(
        f"published_runs: {_COMMIT_ATTEMPTS} other events were committed meanwhile; clear the task"
    )


def contract_version() -> str:
    """Hash of the contracts of all published tables; changes with any column or meaning."""
    text = "\n".join(table.markdown for table in PUBLISHED_TABLES)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _newer_publication(night: Night) -> Event | None:
    """The current publication if it is of a later day, which makes this run only staged."""
    newest = current_event(events(night.settings.lake))
    is_later = newest is not None and newest.action == "publish" and newest.as_of > night.as_of
    return newest if is_later else None


def _blocked_message(blocking: Sequence[GateResult], blocked: Event, current: Event | None) -> str:
    kept = f"event {current.event_number} stays current" if current else "nothing is published"
    return (
        f"{'; '.join(str(gate) for gate in blocking)} (event {blocked.event_number}, blocked); "
        f"{kept}; look at the event's examples (the run's report, or `evensong published --format "
        "json`), correct the data or the rule's setting and clear the task, or look at `evensong "
        "waive --help`"
    )


def _action(night: Night, current: Event | None, mode: Mode) -> str:
    if mode == "stage_only":
        return "stage_only"
    is_older = current is not None and night.as_of < current.as_of
    return "stage_only" if mode == "auto" and is_older else "publish"


def _check_current(event: Event, current: Event | None) -> None:
    found = current.event_number if current else None
    if found != event.replaces_event:
        raise CurrentMoved(
            f"published_runs: event {found} is current, this run was to replace "
            f"{event.replaces_event}; "
            "look at `evensong published`, then clear the task to publish after all"
        )


def _as_rows(event: Event) -> pa.Table:
    row = asdict(event)
    row["as_of_date"] = row.pop("as_of")
    return pa.Table.from_pylist([row], schema=PUBLISHED_RUNS.arrow_schema)
