"""A task that runs again after its commit finds its own event and appends no second one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from feature_store.publishing import publish
from feature_store.publishing.gates import GateFailed
from feature_store.publishing.manual_publication import publish_staged_run
from feature_store.publishing.snapshot import events, open_snapshot
from feature_store.publishing.waivers import waive
from tests.feature_store.publishing.staging import (
    BROKEN,
    CHURNED,
    MARCH_1,
    MARCH_2,
    NOON,
    PASSED,
    publish_run,
)

LATER = NOON + timedelta(hours=1)
ANN = {"actor": "ann", "reason": "too loud"}


def numbers(lake):
    return [event.event_number for event in events(lake)]


@pytest.mark.parametrize("mode", ["auto", "make_current"])
def test_a_publication_is_recognised_whatever_its_second_audit_would_say(lake, run_of, mode):
    """The second audit would compare the run with itself: other gates, another replaced event."""
    publish_run(run_of(MARCH_1, "r1"))
    run = run_of(MARCH_2, "r2")
    first = publish_run(run, mode=mode)

    again = publish_run(run, mode=mode, gates=(replace(PASSED, value=0.5),))

    assert (again, numbers(lake)) == (first, [1, 2])


def test_a_publication_is_recognised_after_readers_moved_on(lake, run_of):
    """The task's second try must not take readers back from what a person chose meanwhile."""
    first_run = run_of(MARCH_1, "r1")
    first = publish_run(first_run)
    publish_run(run_of(MARCH_2, "r2"))

    assert publish_run(first_run, mode="make_current") == first
    assert open_snapshot(lake).run_id == "r2"


def test_new_versions_of_a_run_are_published_again(lake, run_of):
    publish_run(run_of(MARCH_1, "r1", "old"))

    publish_run(run_of(MARCH_1, "r1", "new"))

    assert numbers(lake) == [1, 2]
    assert open_snapshot(lake).read("rec_topk")["track_id"].to_pylist() == ["new"]


def test_a_staged_run_is_staged_once_and_can_still_be_published(lake, run_of):
    run = run_of(MARCH_1, "r1")
    first = publish_run(run, mode="stage_only")

    assert publish_run(run, mode="stage_only") == first
    assert publish_run(run, mode="auto").action == "publish"
    assert [event.action for event in events(lake)] == ["stage_only", "publish"]


def test_a_blocked_run_is_blocked_once_until_its_gates_say_something_else(lake, run_of):
    run = run_of(MARCH_1, "r1")
    for _ in range(2):
        with pytest.raises(GateFailed, match="event 1, blocked"):
            publish_run(run, gates=(BROKEN,))
    with pytest.raises(GateFailed, match="event 2, blocked"):
        publish_run(run, gates=(replace(BROKEN, value=3.0),))

    assert numbers(lake) == [1, 2]


def test_a_rollback_that_runs_again_appends_nothing_and_another_person_s_does(lake, run_of):
    publish_run(run_of(MARCH_1, "r1"))
    publish_run(run_of(MARCH_2, "r2"))
    first = publish.rollback(lake, "r1", now=NOON, **ANN)

    assert publish.rollback(lake, "r1", now=LATER, **ANN) == first
    assert publish.rollback(lake, "r1", actor="bob", reason=None, now=LATER).event_number == 4


def test_a_manual_publication_that_runs_again_appends_nothing(lake, run_of):
    run = run_of(MARCH_1, "r1")
    with pytest.raises(GateFailed):
        publish_run(run, gates=(PASSED, CHURNED))
    waive(lake, "r1", "churn_ratio", reason="a new catalogue", actor="ann", now=NOON)
    first = publish_staged_run(lake, "r1", now=NOON, **ANN)

    assert publish_staged_run(lake, "r1", now=LATER, **ANN) == first
    assert numbers(lake) == [1, 2]
