"""Publication after an erasure: readers get the same run at new table versions, without the people.

The events in published_runs lose the people as well.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from feature_store.privacy.person_filter import PersonFilter
from feature_store.privacy.table_eraser import TableErasure
from feature_store.privacy.table_rewrite import erase_from_table
from feature_store.publishing.publish import append_event
from feature_store.publishing.snapshot import Event, Pin
from feature_store.tables.runs import PUBLISHED_RUNS


def republish_tables(
    lake: str,
    current: Event,
    pins: Mapping[str, Pin],
    *,
    request_ids: Sequence[str],
    actors: Collection[str],
    now: datetime,
) -> Event:
    """Append the `erase` event: the same run and day, with some tables at new versions.

    Args:
        lake: the lake's address.
        current: the event that was current when the tables were rewritten.
        pins: the rewritten tables, by name.
        request_ids: the erasures, which the event gives as its reason.
        actors: the operators who requested them.
        now: the event's time.

    Raises:
        CurrentMoved: another run was published since the tables were rewritten.
    """
    tables = tuple(pins.get(pin.table_name, pin) for pin in current.tables)
    event = replace(
        current,
        event_number=0,  # append_event numbers it
        replaces_event=current.event_number,
        action="erase",
        actor=", ".join(sorted(set(actors))),
        reason=f"erasure {' '.join(request_ids)}",
        tables=tables,
        recorded_at_utc=now,
    )
    return append_event(lake, event)


def erase_from_events(lake: str, person_filter: PersonFilter) -> TableErasure | None:
    """Remove the people from the events' reasons and from the examples of broken gate rules.

    Raises:
        RewriteConflict: other runs appended an event during every attempt; call it again.
    """
    return erase_from_table(lake, PUBLISHED_RUNS, person_filter)
