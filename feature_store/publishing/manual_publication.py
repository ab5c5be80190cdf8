"""Make a staged run current by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from feature_store.lake.arrow_io import read_table
from feature_store.publishing.gates import GateFailed, GateResult
from feature_store.publishing.publish import ReadBackMismatch, append_event, refuse_erased
from feature_store.publishing.snapshot import (
    Event,
    NothingPublished,
    Pin,
    current_event,
    events,
    newest_event_of,
)
from feature_store.publishing.waivers import with_waivers
from feature_store.tables import table_called


def publish_by_hand(
    lake: str, run_id: str, *, actor: str, reason: str | None, now: datetime
) -> Event:
    """Publish what a run staged, as its own event pinned and judged it; even an older day.

    Raises:
        NothingPublished: the run staged nothing that could be published.
        GateFailed: a rule stops it that nobody waived.
        RunErased: it held somebody who was erased since.
        ReadBackMismatch: the staged rows are not there any more.
        CurrentMoved: somebody published meanwhile.
    """
    so_far = events(lake)
    staged = _staged(so_far, run_id)
    refuse_erased(staged, so_far)
    judged = with_waivers(lake, run_id, [GateResult(**gate) for gate in staged.gates])
    stopping = [gate for gate in judged if gate.stops]
    if stopping:
        raise GateFailed(
            f"{'; '.join(str(gate) for gate in stopping)} (event {staged.event_number}); run "
            f"{run_id} stays unpublished; correct the rows and run the night again, or waive a "
            "population rule: `evensong waive --help`"
        )
    for pin in staged.tables:
        _refuse_missing_rows(lake, staged, pin)
    current = current_event(so_far)
    event = replace(
        staged,
        event_number=len(so_far) + 1,
        replaces_event=current.event_number if current else None,
        action="publish",
        actor=actor,
        reason=reason,
        gates=tuple(gate.as_row() for gate in judged),
        recorded_at_utc=now,
    )
    return append_event(lake, event)


def _staged(so_far: list[Event], run_id: str) -> Event:
    """The run's newest event, which must be a staged or a blocked one."""
    newest = newest_event_of(run_id, so_far)
    if newest is not None and newest.action in {"stage_only", "blocked"}:
        return newest
    waiting = sorted({event.run_id for event in so_far if event.action == "stage_only"})
    found = f"its newest event is {newest.action}" if newest else "it has no event"
    raise NothingPublished(
        f"published_runs: run {run_id!r} waits for no publication, {found}; staged: "
        f"{', '.join(waiting) or 'none'}; to return to a published run use `evensong rollback`"
    )


def _refuse_missing_rows(lake: str, staged: Event, pin: Pin) -> None:
    """Read the pinned slice; an opened file that is gone, or another number of rows, stops."""
    table = table_called(pin.table_name)
    rows = read_table(lake, table, as_of=staged.as_of, version=pin.table_version)
    if rows.num_rows != pin.row_count:
        raise ReadBackMismatch(
            f"{pin.table_name} v{pin.table_version}: {rows.num_rows} rows of {staged.as_of} are "
            f"there, {pin.row_count} were staged; run the night again"
        )
