"""Races of concurrent writers: publishers of events, and a night with a backfill."""

from __future__ import annotations

import multiprocessing
import multiprocessing.pool
import time
from collections import Counter
from dataclasses import replace

from feature_store.publishing import publish
from feature_store.publishing.snapshot import Event, events
from tests.benchmarks.support.faults.reference_lake import (
    ReferenceLake,
    contents_of_both_days,
    copied_lake,
    hash_mismatches,
    lost_rows,
)
from tests.support import toy_dataset
from tests.support.night_processes import start_night, wait_for_summary

N_WRITERS, EVENTS_PER_WRITER = 8, 5


def race_publishers(lake: str) -> int:
    """Number of events missing or duplicated after several processes append events at once."""
    before = events(lake)
    template = before[-1]
    with multiprocessing.get_context("spawn").Pool(N_WRITERS) as pool:
        pool.starmap(_append_events, [(lake, template, number) for number in range(N_WRITERS)])
    count_of = Counter(event.run_id for event in events(lake)[len(before) :])
    expected = {
        f"writer-{writer}-{number}"
        for writer in range(N_WRITERS)
        for number in range(EVENTS_PER_WRITER)
    }
    return sum(abs(count_of[run_id] - 1) for run_id in expected)


def race_night_and_backfill(reference: ReferenceLake, where: str) -> tuple[float, int, int]:
    """Seconds of overlap, lost rows, and tables that differ from those of nights that ran alone."""
    with copied_lake(reference, where) as (lake, state):
        started_at = time.monotonic()
        night = start_night(lake, state, toy_dataset.NEXT_DAY)
        backfill_state = state.with_name("state-of-backfill")
        backfill = start_night(lake, backfill_state, toy_dataset.LAST_DAY)
        with multiprocessing.pool.ThreadPool(2) as pool:
            night_s, backfill_s = pool.map(
                lambda one: (wait_for_summary(one), time.monotonic() - started_at)[1],
                (night, backfill),
            )
        actual = contents_of_both_days(lake)
    overlap_s = min(night_s, backfill_s)
    expected = reference.contents
    return overlap_s, lost_rows(expected, actual), hash_mismatches(expected, actual)


def _append_events(lake: str, template: Event, writer: int) -> None:
    """Append EVENTS_PER_WRITER staged events; retry each until it is appended."""
    for number in range(EVENTS_PER_WRITER):
        event = replace(template, action="stage_only", run_id=f"writer-{writer}-{number}")
        while True:
            current = publish.current_event(events(lake))
            replaces = current.event_number if current else None
            try:
                publish.append_event(lake, replace(event, replaces_event=replaces))
            except publish.CurrentMoved:
                continue
            break
