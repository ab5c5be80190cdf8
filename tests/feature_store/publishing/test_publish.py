"""Publishing: one exclusive commit, numbered events, and no return to an older day by itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import islice

import pytest

from feature_store.privacy import republish, table_eraser
from feature_store.privacy.person_filter import Person
from feature_store.privacy.suppression import ErasedDuringRun
from feature_store.privacy.table_rewrite import erase_from_table
from feature_store.publishing import publish, staged_slices
from feature_store.publishing.gates import GateFailed
from feature_store.publishing.snapshot import (
    NothingPublished,
    current_event,
    events,
    open_snapshot,
    snapshot_before,
)
from feature_store.runs import run_log
from feature_store.settings import Night
from feature_store.tables.recommendations import REC_TOPK
from tests.feature_store.publishing.staging import (
    BROKEN,
    MARCH_1,
    MARCH_2,
    MARCH_3,
    NOON,
    PASSED,
    publish_run,
    stage_table,
)


def test_readers_see_nothing_before_publication_and_all_tables_after_it(lake, run_of):
    run = run_of(MARCH_1, "r1")
    with pytest.raises(NothingPublished, match="nothing is published"):
        open_snapshot(lake)

    publish_run(run)

    assert open_snapshot(lake).read("rec_topk", columns=["track_id"]).to_pylist() == [
        {"track_id": "t1"}
    ]


def test_an_open_snapshot_does_not_change_when_another_run_is_published(lake, run_of):
    """A reader of the earlier snapshot still reads its rows after the slice was replaced."""
    publish_run(run_of(MARCH_1, "r1", "old"))
    yesterday = open_snapshot(lake)

    publish_run(run_of(MARCH_1, "r2", "new"))

    assert yesterday.read("rec_topk", columns=["track_id"]).to_pylist() == [{"track_id": "old"}]
    assert open_snapshot(lake).read("rec_topk")["track_id"].to_pylist() == ["new"]


def test_an_older_date_is_staged_and_current_does_not_move(lake, run_of):
    publish_run(run_of(MARCH_2, "r2"))

    event = publish_run(run_of(MARCH_1, "r1"))

    assert (event.action, event.event_number) == ("stage_only", 2)
    assert open_snapshot(lake).run_id == "r2"


def test_make_current_publishes_an_older_day(lake, run_of):
    publish_run(run_of(MARCH_2, "r2"))

    publish_run(run_of(MARCH_1, "r1"), mode="make_current")

    assert open_snapshot(lake).as_of == MARCH_1


def test_the_same_date_again_is_published_again(lake, run_of):
    publish_run(run_of(MARCH_1, "r1", "old"))

    event = publish_run(run_of(MARCH_1, "r1", "new"))

    assert (event.action, event.replaces_event) == ("publish", 1)


def test_a_broken_gate_appends_a_blocked_event_and_readers_keep_the_current_run(lake, run_of):
    publish_run(run_of(MARCH_1, "r1"))

    message = r"hidden_tracks_topk is 2, must be at most 0 \(event 2, blocked\); event 1 stays"
    with pytest.raises(GateFailed, match=message) as failed:
        publish_run(run_of(MARCH_2, "r2"), gates=(PASSED, BROKEN))

    blocked = events(lake)[-1]
    assert "u1" not in str(failed.value)
    assert (blocked.action, blocked.reason) == ("blocked", "hidden_tracks_topk")
    assert blocked.gates[1]["examples"] == '{"user_id":"u1"}'
    assert open_snapshot(lake).run_id == "r1"


def test_publishing_fails_when_another_run_was_published_meanwhile(lake, run_of):
    publish_run(run_of(MARCH_1, "r1"))
    stale = replace(events(lake)[0], event_number=2, replaces_event=1, run_id="late")
    publish_run(run_of(MARCH_2, "r2"))

    with pytest.raises(publish.CurrentMoved, match="event 2 is current, this run was to replace 1"):
        publish.append_event(lake, stale)

    assert open_snapshot(lake).run_id == "r2"


def test_of_concurrent_publishers_one_wins_and_event_numbers_have_no_gap(lake, run_of):
    """Eight runs replace the same event; the losers get CurrentMoved, and no event is lost."""
    publish_run(run_of(MARCH_1, "r0"))
    first = events(lake)[0]
    rivals = [replace(first, replaces_event=1, run_id=f"rival-{n}") for n in range(8)]

    def attempt(event):
        try:
            return publish.append_event(lake, event)
        except publish.CurrentMoved:
            return None

    with ThreadPoolExecutor(8) as pool:
        won = [event for event in pool.map(attempt, rivals) if event]

    assert len(won) == 1
    assert [event.event_number for event in events(lake)] == [1, 2]


def test_concurrent_staged_events_all_get_their_own_numbers(lake, run_of):
    publish_run(run_of(MARCH_1, "r0"))
    staged = [
        replace(events(lake)[0], replaces_event=1, action="stage_only", run_id=f"s{n}")
        for n in range(4)
    ]

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda event: publish.append_event(lake, event), staged))

    assert [event.event_number for event in events(lake)] == [1, 2, 3, 4, 5]
    assert {event.run_id for event in events(lake)} == {"r0", "s0", "s1", "s2", "s3"}


def test_rollback_restores_the_earlier_rows_by_one_event(lake, run_of):
    publish_run(run_of(MARCH_1, "r1", "old"))
    publish_run(run_of(MARCH_2, "r2", "new"))

    event = publish.rollback(lake, "r1", actor="ann", reason="too loud", now=NOON)

    restored = open_snapshot(lake)
    assert (event.action, event.actor, event.reason) == ("rollback", "ann", "too loud")
    assert restored.as_of == MARCH_1
    assert restored.read("rec_topk")["track_id"].to_pylist() == ["old"]


def test_rollback_to_an_unpublished_run_names_the_published_runs(lake, run_of):
    publish_run(run_of(MARCH_2, "r2"))
    publish_run(run_of(MARCH_1, "r1"))

    with pytest.raises(NothingPublished, match="'r1'; published: r2; see `evensong published`"):
        publish.rollback(lake, "r1", actor="ann", reason=None, now=NOON)


def test_after_a_rollback_the_next_night_is_published(lake, run_of):
    publish_run(run_of(MARCH_1, "r1"))
    publish_run(run_of(MARCH_2, "r2"))
    publish.rollback(lake, "r1", actor="ann", reason=None, now=NOON)

    assert publish_run(run_of(MARCH_3, "r3")).action == "publish"


def test_snapshot_before_is_of_the_newest_earlier_day_not_of_the_newest_event(lake, run_of):
    """A backfill of 2 March compares with 1 March, though 3 March was published since."""
    for day, run_id in ((MARCH_1, "r1"), (MARCH_3, "r3")):
        publish_run(run_of(day, run_id))

    assert snapshot_before(lake, MARCH_2).run_id == "r1"
    assert snapshot_before(lake, MARCH_1) is None


def test_a_slice_that_differs_from_the_computed_rows_is_not_published(spark, lake, run_of):
    from feature_store.lake import spark_io

    night, _ = run_of(MARCH_1, "r1")
    rows = spark_io.read(spark, lake, REC_TOPK, as_of=MARCH_1)
    computed = spark_io.write(rows, lake, REC_TOPK, first=MARCH_1, end=MARCH_2)
    tampered = replace(computed, row_count=computed.row_count + 1)
    run_log.record_task(night, tampered, {}, elapsed_s=1, now=NOON + timedelta(seconds=1))

    with pytest.raises(
        staged_slices.ReadBackMismatch, match=r"rec_topk v\d+: 1 rows .* 2 with .* computed"
    ):
        staged_slices.verify_staged_slices(spark, night)


def test_a_table_that_the_run_has_not_written_stops_publication(spark, settings):
    night = Night(MARCH_1, "r1", settings)
    other = Night(MARCH_1, "another", settings)
    stage_table(other, REC_TOPK, "t1")

    with pytest.raises(staged_slices.ReadBackMismatch, match="run r1 has not written its slice"):
        staged_slices.verify_staged_slices(spark, night)


def test_blocked_and_staged_runs_are_never_current(lake, run_of):
    publish_run(run_of(MARCH_1, "r1"), mode="stage_only")

    assert [(event.action, event.run_id) for event in events(lake)] == [("stage_only", "r1")]
    assert current_event(events(lake)) is None


def test_a_night_whose_gates_compared_with_a_superseded_event_is_not_published(lake, run_of):
    """A rollback happened while the gates compared with the earlier event."""
    publish_run(run_of(MARCH_1, "r1"))
    publish_run(run_of(MARCH_2, "r2"))
    compared_with = events(lake)[-1]
    publish.rollback(lake, "r1", actor="ann", reason=None, now=NOON)

    with pytest.raises(publish.CurrentMoved, match="event 3 is current, this run was to replace 2"):
        publish_run(run_of(MARCH_3, "r3"), current=compared_with)

    assert open_snapshot(lake).run_id == "r1"


def test_a_backfill_overtaken_by_a_later_day_is_staged(lake, run_of):
    """A backfill of March 2 compared with March 1; meanwhile the night of March 3 published."""
    publish_run(run_of(MARCH_1, "r1"))
    compared_with = events(lake)[-1]
    publish_run(run_of(MARCH_3, "r3"))

    overtaken = publish_run(run_of(MARCH_2, "backfill"), current=compared_with)

    assert (overtaken.action, overtaken.replaces_event) == ("stage_only", 2)
    assert open_snapshot(lake).run_id == "r3"


def test_a_run_overtaken_by_one_of_the_same_day_is_refused(lake, run_of):
    """Two runs of March 2: the gates of the second did not compare with the first."""
    publish_run(run_of(MARCH_1, "r1"))
    compared_with = events(lake)[-1]
    publish_run(run_of(MARCH_2, "r2"))

    with pytest.raises(publish.CurrentMoved):
        publish_run(run_of(MARCH_2, "again"), current=compared_with)


def test_a_slice_staged_before_an_erasure_is_not_pinned(spark, lake, run_of):
    """Its version holds the erased person; the message names the task to clear."""
    publish_run(run_of(MARCH_1, "r1"))
    night, _ = run_of(MARCH_2, "r2")
    erase_from_table(lake, REC_TOPK, Person("u1"))

    with pytest.raises(ErasedDuringRun, match=r"rec_topk: a person was erased .* clear the task"):
        staged_slices.verify_staged_slices(spark, night)


@pytest.mark.parametrize("n_rivals", [1, 5])
def test_rewriting_events_retries_after_one_conflict_and_fails_after_five(
    lake, run_of, monkeypatch, n_rivals
):
    """A rival appends an event before each rewrite; after one the rewrite succeeds, after five not."""
    with pytest.raises(GateFailed):
        publish_run(run_of(MARCH_1, "r1"), gates=(PASSED, BROKEN))
    rival = replace(events(lake)[0], action="stage_only", gates=())
    commit = table_eraser.replace_files
    before_commit = iter([f"rival-{n}" for n in range(n_rivals)])

    def overtaken(*args, **marks):
        for run_id in islice(before_commit, 1):
            publish.append_event(lake, replace(rival, run_id=run_id))
        return commit(*args, **marks)

    monkeypatch.setattr(table_eraser, "replace_files", overtaken)

    if n_rivals == 1:
        assert republish.erase_from_events(lake, Person("u1")).changed == 1
    else:
        with pytest.raises(
            table_eraser.RewriteConflict, match=r"published_runs: 5 commits .* clear the task"
        ):
            republish.erase_from_events(lake, Person("u1"))

    assert [event.run_id for event in events(lake)][1:] == [f"rival-{n}" for n in range(n_rivals)]
    assert ("u1" in events(lake)[0].gates[1]["examples"]) == (n_rivals > 1)
