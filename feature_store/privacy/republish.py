"""Publication after an erasure: readers get the same run at new table versions, without the person.

The events in published_runs lose the person as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from deltalake.exceptions import CommitFailedError

from feature_store.privacy.person_filter import PersonFilter
from feature_store.privacy.table_rewrite import TableErasure, erase_from_table
from feature_store.publishing.publish import append_event
from feature_store.publishing.snapshot import Event, Pin, current_event, events
from feature_store.tables.runs import PUBLISHED_RUNS

_ATTEMPTS = 5


class EventsConflict(RuntimeError):
    """Other runs appended an event during every attempt to rewrite published_runs."""


def republish_tables(
    lake: str, pins: Mapping[str, Pin], *, request_id: str, actor: str, now: datetime
) -> Event:
    """Append the `erase` event: the same run and day, with some tables at new versions.

    Args:
        lake: the lake's address.
        pins: the rewritten tables, by name.
        request_id: the erasure, which the event gives as its reason.
        actor: the operator who requested the erasure.
        now: the event's time.

    Raises:
        CurrentMoved: another run was published in the meantime.
        LookupError: nothing is published, so there is no run to pin again.
    """
    earlier = events(lake)
    current = current_event(earlier)
    if current is None:
        raise LookupError("published_runs: nothing is published; there is nothing to pin again")
    tables = tuple(pins.get(pin.table_name, pin) for pin in current.tables)
    event = replace(
        current,
        event_number=len(earlier) + 1,
        replaces_event=current.event_number,
        action="erase",
        actor=actor,
        reason=f"erasure {request_id}",
        tables=tables,
        recorded_at_utc=now,
    )
    return append_event(lake, event)


def erase_from_events(lake: str, person_filter: PersonFilter) -> TableErasure | None:
    """Remove the person from the events' reasons and from the examples of broken gate rules.

    Raises:
        EventsConflict: other runs appended an event during every attempt; call it again.
    """
    for _ in range(_ATTEMPTS):
        try:
            return erase_from_table(lake, PUBLISHED_RUNS, person_filter)
        except CommitFailedError:
            continue
    raise EventsConflict(
        f"published_runs: {_ATTEMPTS} events were appended while they were rewritten; clear the "
        "task"
    )
