"""After an erasure: readers get the current run from new versions, and no event names anybody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from deltalake.exceptions import CommitFailedError

from feature_store.privacy.person_filter import Who
from feature_store.privacy.table_rewrite import Rewritten, rewrite
from feature_store.publishing.publish import append_event
from feature_store.publishing.snapshot import Event, Pin, current_event, events
from feature_store.tables.runs import PUBLISHED_RUNS

_TRIES = 5


class EventsMoved(RuntimeError):
    """Others kept appending events while theirs were to be rewritten."""


def repin(
    lake: str, pins: Mapping[str, Pin], *, request_id: str, actor: str, now: datetime
) -> Event:
    """Append the `erase` event: the same run and day, some tables at new versions.

    Args:
        lake: where.
        pins: the tables that were written anew, by name.
        request_id: the erasure, which the event gives as its reason.
        actor: who asked for it.
        now: when.

    Raises:
        CurrentMoved: somebody published meanwhile.
        LookupError: nothing is published, so there is nothing to pin anew.
    """
    so_far = events(lake)
    current = current_event(so_far)
    if current is None:
        raise LookupError("published_runs: nothing is published; there is nothing to pin anew")
    tables = tuple(pins.get(pin.table_name, pin) for pin in current.tables)
    event = replace(
        current,
        event_number=len(so_far) + 1,
        replaces_event=current.event_number,
        action="erase",
        actor=actor,
        reason=f"erasure {request_id}",
        tables=tables,
        recorded_at_utc=now,
    )
    return append_event(lake, event)


def erase_from_events(lake: str, who: Who) -> Rewritten | None:
    """Take the person out of the examples that events keep of broken rules.

    Raises:
        EventsMoved: others appended events each time; call it again.
    """
    for _ in range(_TRIES):
        try:
            return rewrite(lake, PUBLISHED_RUNS, who)
        except CommitFailedError:
            continue
    raise EventsMoved(
        f"published_runs: {_TRIES} events were appended while they were rewritten; clear the task"
    )
