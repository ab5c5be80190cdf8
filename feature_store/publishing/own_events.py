"""Events that a run has appended already: a task that runs again recognises them.

A task may be killed between its commit to published_runs and its end. Its next try would compare
the run with itself and append a second event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from feature_store.publishing.snapshot import Event, Pin, newest_event_of


def publication_of(run_id: str, pins: Sequence[Pin], history: Sequence[Event]) -> Event | None:
    """The event that published exactly these versions of a run; None when there is none."""
    found = [
        event
        for event in history
        if event.run_id == run_id and event.action == "publish" and event.tables == tuple(pins)
    ]
    return found[-1] if found else None


def repeated_event(event: Event, history: Sequence[Event]) -> Event | None:
    """The newest event of the run, when `event` says the same again; None when it says more.

    Only number and time may differ: other gates, versions or another replaced event are news.
    """
    newest = newest_event_of(event.run_id, history)
    if newest is None:
        return None
    same_moment = replace(
        newest, event_number=event.event_number, recorded_at_utc=event.recorded_at_utc
    )
    return newest if same_moment == event else None


def repeated_request(event: Event, current: Event) -> Event | None:
    """The current event, when a person's request to make a run current is already done.

    The same person, reason, run and versions: the request's task runs again after its commit.
    """
    same_request = replace(
        event,
        event_number=current.event_number,
        replaces_event=current.replaces_event,
        recorded_at_utc=current.recorded_at_utc,
    )
    return current if same_request == current else None
