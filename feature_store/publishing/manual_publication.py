"""Publish a staged or blocked run manually."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from feature_store.as_of import check_as_of
from feature_store.lake.arrow_io import read_table
from feature_store.publishing.gates import GateFailed, GateResult
from feature_store.publishing.publish import append_event, check_not_erased
from feature_store.publishing.snapshot import (
    Event,
    NothingPublished,
    Pin,
    current_event,
    events,
    newest_event_of,
)
from feature_store.publishing.staged_slices import ReadBackMismatch
from feature_store.publishing.waivers import apply_waivers
from feature_store.tables import table_called


def publish_staged_run(
    lake: str, run_id: str, *, actor: str, reason: str | None, now: datetime
) -> Event:
    """Publish the versions and gate results of a run's staged event, even for an older day.

    A request that is done already gets its event back: its task runs again after the commit.

    Raises:
        NothingPublished: the newest event of the run is neither staged nor blocked.
        GateFailed: a broken rule is not waived.
        RunErased: the run holds a person who was erased since.
        ReadBackMismatch: the staged rows are not in the table.
        CurrentMoved: another event became current meanwhile.
        DayAhead: the run's day is later than tomorrow.
    """
    history = events(lake)
    done = _done_already(history, run_id, actor, reason)
    if done is not None:
        return done
    staged = _staged_event(history, run_id)
    check_as_of(staged.as_of, now)
    check_not_erased(staged, history)
    results = apply_waivers(lake, run_id, [GateResult(**gate) for gate in staged.gates])
    blocking = [gate for gate in results if gate.is_blocking]
    if blocking:
        raise GateFailed(
            f"{'; '.join(str(gate) for gate in blocking)} (event {staged.event_number}); run "
            f"{run_id} stays unpublished; correct the rows and run the night again, or waive a "
            "population rule: `evensong waive --help`"
        )
    for pin in staged.tables:
        _check_rows(lake, staged, pin)
    current = current_event(history)
    event = replace(
        staged,
        event_number=len(history) + 1,
        replaces_event=current.event_number if current else None,
        action="publish",
        actor=actor,
        reason=reason,
        gates=tuple(gate.as_row() for gate in results),
        recorded_at_utc=now,
    )
    return append_event(lake, event)


def _done_already(
    history: list[Event], run_id: str, actor: str, reason: str | None
) -> Event | None:
    """The current event when this person published the run for this reason; else None."""
    current = current_event(history)
    if current is None or current != newest_event_of(run_id, history):
        return None
    is_same = (current.action, current.actor, current.reason) == ("publish", actor, reason)
    return current if is_same else None


def _staged_event(history: list[Event], run_id: str) -> Event:
    """The run's newest event, which must be a staged or a blocked event."""
    newest = newest_event_of(run_id, history)
    if newest is not None and newest.action in {"stage_only", "blocked"}:
        return newest
    staged_runs = sorted({event.run_id for event in history if event.action == "stage_only"})
    found = f"its newest event is {newest.action}" if newest else "it has no event"
    raise NothingPublished(
        f"published_runs: run {run_id!r} waits for no publication, {found}; staged: "
        f"{', '.join(staged_runs) or 'none'}; to return to a published run use `evensong rollback`"
    )


def _check_rows(lake: str, staged: Event, pin: Pin) -> None:
    """Read the pinned slice, which fails on a missing file or another number of rows."""
    table = table_called(pin.table_name)
    rows = read_table(lake, table, as_of=staged.as_of, version=pin.table_version)
    if rows.num_rows != pin.row_count:
        raise ReadBackMismatch(
            f"{pin.table_name} v{pin.table_version}: {rows.num_rows} rows of {staged.as_of} are "
            f"there, {pin.row_count} were staged; run the night again"
        )
