"""The baseline of a night: what readers saw last before its day, also after a rollback."""

from __future__ import annotations

from datetime import date

import pytest

from feature_store.lake.arrow_io import read_table
from feature_store.publishing import publish
from feature_store.publishing.manual_publication import publish_staged_run
from feature_store.publishing.snapshot import (
    baseline_event,
    events,
    open_snapshot,
    snapshot_before,
)
from feature_store.tables.recommendations import REC_CHANGES
from jobs.run import run_job
from tests.feature_store.publishing.staging import MARCH_1, MARCH_2, MARCH_3, NOON, publish_run

MARCH_4 = date(2026, 3, 4)
DAY_OF = {"r1": MARCH_1, "r2": MARCH_2, "r3": MARCH_3}


@pytest.fixture
def happened(lake, run_of):
    """Lets runs be published, staged or restored, in the order of a text."""

    def run(story):
        for step in story.split():
            action, run_id = step.split(":")
            if action == "rollback":
                publish.rollback(lake, run_id, actor=step, reason=None, now=NOON)
            else:
                publish_run(run_of(DAY_OF[run_id], run_id, run_id), mode=action)

    return run


@pytest.mark.parametrize(
    ("story", "day", "run_id"),
    [
        ("make_current:r1 make_current:r2", MARCH_3, "r2"),
        ("make_current:r1 make_current:r2 rollback:r1", MARCH_3, "r1"),  # what readers see
        ("make_current:r1 make_current:r2 rollback:r1", MARCH_2, "r1"),
        ("make_current:r1 make_current:r2 rollback:r1 rollback:r2", MARCH_3, "r2"),
        ("make_current:r1 make_current:r2 stage_only:r3", MARCH_4, "r2"),
        # A night that runs again finds what its first run found, not itself.
        ("make_current:r1 make_current:r2", MARCH_2, "r1"),
        ("make_current:r1 make_current:r2 rollback:r1 make_current:r3", MARCH_3, "r1"),
        # A backfill never compares with a later day, though readers see one.
        ("make_current:r1 make_current:r3", MARCH_2, "r1"),
        ("make_current:r2 make_current:r3", MARCH_1, None),
        ("make_current:r3 rollback:r3", MARCH_3, None),
    ],
)
def test_the_baseline_is_what_readers_saw_last_before_the_day(lake, happened, story, day, run_id):
    happened(story)

    found = snapshot_before(lake, day)

    assert (found.run_id if found else None) == run_id
    if found is not None:
        assert found.read("rec_topk")["track_id"].to_pylist() == [run_id]


def test_the_next_night_s_baseline_is_the_event_that_readers_open(lake, happened):
    happened("make_current:r1 make_current:r2 rollback:r1")

    assert baseline_event(events(lake), MARCH_3) == open_snapshot(lake).event


def test_a_retry_after_a_rollback_compares_with_what_readers_see_now(lake, happened):
    """Its first try compared with r2; the publication refuses rec_changes until it is r1's."""
    happened("make_current:r1 make_current:r2 stage_only:r3")
    first = baseline_event(events(lake), MARCH_3)
    happened("rollback:r1")

    retried = baseline_event(events(lake), MARCH_3)

    assert (first.run_id, retried.run_id) == ("r2", "r1")
    assert retried == open_snapshot(lake).event


def test_a_staged_run_that_a_person_publishes_keeps_the_gates_of_its_staging(lake, happened):
    happened("make_current:r1 make_current:r2 stage_only:r3")
    staged = events(lake)[-1]
    happened("rollback:r1")

    event = publish_staged_run(lake, "r3", actor="ann", reason="looked at it", now=NOON)

    assert (event.gates, event.tables) == (staged.gates, staged.tables)
    assert event.replaces_event == staged.event_number + 1  # the rollback


def test_changes_after_a_rollback_are_against_what_readers_see(spark, lake, run_of, happened):
    """r3 and r1 have other tracks; the withdrawn r2 is not mentioned."""
    happened("make_current:r1 make_current:r2 rollback:r1")
    night, _ = run_of(MARCH_3, "r3", "r3")

    run_job("rec_changes", night, spark)

    rows = read_table(lake, REC_CHANGES, as_of=MARCH_3).to_pylist()
    assert {(row["track_id"], row["change"], row["compared_run_id"]) for row in rows} == {
        ("r3", "entered", "r1"),
        ("r1", "left", "r1"),
    }
