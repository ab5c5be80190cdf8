"""Manual publication and waivers, from a reader's side."""

from __future__ import annotations

from dataclasses import replace

import pytest

from feature_store.publishing.gates import GateFailed
from feature_store.publishing.manual_publication import publish_staged_run
from feature_store.publishing.snapshot import NothingPublished, events, open_snapshot
from feature_store.publishing.staged_slices import ReadBackMismatch
from feature_store.publishing.waivers import WaiverRefused, waive
from tests.feature_store.publishing.staging import (
    BROKEN,
    CHURNED,
    MARCH_1,
    MARCH_2,
    NOON,
    PASSED,
    publish_run,
)

ANN = {"actor": "ann", "now": NOON}


@pytest.fixture
def blocked(lake, run_of):
    """Readers see r1; the churn gate blocks r2."""
    publish_run(run_of(MARCH_1, "r1", "old"))
    with pytest.raises(GateFailed, match=r"churn_ratio is 0\.99"):
        publish_run(run_of(MARCH_2, "r2", "new"), gates=(PASSED, CHURNED))
    return "r2"


def tracks(lake):
    return open_snapshot(lake).read("rec_topk")["track_id"].to_pylist()


def test_a_manual_publication_records_actor_and_reason(lake, run_of):
    publish_run(run_of(MARCH_2, "r2", "new"))
    publish_run(run_of(MARCH_1, "r1", "older"))
    assert tracks(lake) == ["new"]

    event = publish_staged_run(lake, "r1", reason="r2 is wrong", **ANN)

    assert (event.action, event.replaces_event, event.actor, event.reason) == (
        "publish", 1, "ann", "r2 is wrong",
    )  # fmt: skip
    assert tracks(lake) == ["older"]


def test_a_published_run_cannot_be_published_manually_again(lake, run_of):
    publish_run(run_of(MARCH_1, "r1"))
    publish_run(run_of(MARCH_1, "r2"), mode="stage_only")

    with pytest.raises(NothingPublished, match=r"newest event is publish; staged: r2; .*rollback"):
        publish_staged_run(lake, "r1", reason=None, **ANN)


def test_a_blocked_run_needs_its_waiver_first(lake, blocked):
    with pytest.raises(GateFailed, match=r"churn_ratio is 0\.99, .*evensong waive"):
        publish_staged_run(lake, blocked, reason=None, **ANN)
    assert tracks(lake) == ["old"]

    waive(lake, blocked, "churn_ratio", reason="a new catalogue", **ANN)
    assert tracks(lake) == ["old"]
    event = publish_staged_run(lake, blocked, reason=None, **ANN)

    assert tracks(lake) == ["new"]
    assert {gate["rule"]: gate["waived_by"] for gate in event.gates} == {
        "full_list_ratio": None,
        "churn_ratio": "ann: a new catalogue",
    }


def test_a_waiver_lets_the_cleared_task_publish_and_no_other_run(lake, run_of, blocked):
    waive(lake, blocked, "churn_ratio", reason="a new catalogue", **ANN)

    event = publish_run(run_of(MARCH_2, blocked, "new"), gates=(CHURNED,))

    assert event.action == "publish"
    with pytest.raises(GateFailed, match="churn_ratio"):
        publish_run(run_of(MARCH_2, "r3"), gates=(CHURNED,))


def test_a_waiver_covers_only_its_own_rule(lake, run_of, blocked):
    waive(lake, blocked, "churn_ratio", reason="a new catalogue", **ANN)
    short = replace(PASSED, is_passed=False, value=0.5)

    with pytest.raises(GateFailed, match=r"^rec_topk: full_list_ratio is 0\.5, .*event 3"):
        publish_run(run_of(MARCH_2, blocked), gates=(short, CHURNED))

    assert events(lake)[-1].reason == "full_list_ratio"


def test_an_absolute_rule_cannot_be_waived(lake, run_of):
    with pytest.raises(GateFailed):
        publish_run(run_of(MARCH_1, "r1"), gates=(BROKEN,))

    with pytest.raises(WaiverRefused, match=r"hidden_tracks_topk is 2, .* cannot be waived") as no:
        waive(lake, "r1", "hidden_tracks_topk", reason="hurry", **ANN)
    with pytest.raises(
        GateFailed, match=r"hidden_tracks_topk is 2, .* stays unpublished"
    ) as failed:
        publish_staged_run(lake, "r1", reason=None, **ANN)

    assert "u1" not in f"{no.value} {failed.value}"


def test_a_waiver_for_a_rule_that_does_not_block_the_run_is_refused(lake, run_of, blocked):
    with pytest.raises(WaiverRefused, match=r"'full_list_ratio' does not stop .*: churn_ratio"):
        waive(lake, blocked, "full_list_ratio", reason="hurry", **ANN)
    with pytest.raises(WaiverRefused, match="run 'r1' is not blocked, its newest event is publish"):
        waive(lake, "r1", "churn_ratio", reason="hurry", **ANN)


def test_missing_staged_rows_are_not_published(lake, run_of):
    night, pins = run_of(MARCH_1, "r1")
    [topk] = [pin for pin in pins if pin.table_name == "rec_topk"]
    longer = [replace(pin, row_count=9) if pin is topk else pin for pin in pins]
    publish_run((night, longer), mode="stage_only")

    with pytest.raises(ReadBackMismatch, match=r"rec_topk v\d+: 1 rows .* 9 were staged"):
        publish_staged_run(lake, "r1", reason=None, **ANN)
