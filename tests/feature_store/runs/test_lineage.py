"""Lineage: the versions that a task reads and writes, and the gates of a publication."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from feature_store.publishing.snapshot import events
from feature_store.runs import lineage, run_log
from feature_store.settings import Night
from feature_store.tables.core import CORE_TRACKS
from feature_store.tables.recommendations import REC_TOPK
from tests.feature_store.publishing.staging import (
    CHURNED,
    MARCH_1,
    NOON,
    PASSED,
    publish_run,
    staged_run,
)


@pytest.fixture
def emitted_events(settings):
    """Reads all emitted events, oldest first."""

    def read():
        return [json.loads(line) for line in (settings.state / lineage.FILE).open()]

    return read


def facet(dataset, name):
    return {key: value for key, value in dataset["facets"][name].items() if key[0] != "_"}


def test_a_task_emits_its_version_rows_and_night(settings, emitted_events):
    _, pins = staged_run(settings, MARCH_1, "r1")

    [topk] = [event for event in emitted_events() if event["job"]["name"] == "rec_topk"]

    [output] = topk["outputs"]
    [pin] = [pin for pin in pins if pin.table_name == "rec_topk"]
    assert (output["namespace"], output["name"]) == ("file", f"{settings.lake}/tables/rec_topk")
    assert facet(output, "version") == {"datasetVersion": str(pin.table_version)}
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 1
    assert topk["run"]["facets"]["nominalTime"]["nominalStartTime"].startswith("2026-03-01")
    parents = {event["run"]["facets"]["parent"]["run"]["runId"] for event in emitted_events()}
    assert len(parents) == 1


def test_inputs_carry_the_version_that_the_task_read(settings, emitted_events):
    night, pins = staged_run(settings, MARCH_1, "r1")
    inputs = lineage.versions_of(settings.lake, [REC_TOPK, CORE_TRACKS])
    written = run_log.Written("run_quality", 3, 0, 0, "x")

    run_log.record_task(night, written, inputs, elapsed_s=1.0, now=NOON)

    [read] = emitted_events()[-1]["inputs"]  # core_tracks is not there yet
    [pin] = [pin for pin in pins if pin.table_name == "rec_topk"]
    assert read["name"] == f"{settings.lake}/tables/rec_topk"
    assert facet(read, "version")["datasetVersion"] == str(pin.table_version)


def test_a_publication_emits_its_gates_as_assertions(settings, emitted_events):
    night, pins = staged_run(settings, MARCH_1, "r1")
    publish_run((night, pins))

    gates = (PASSED.as_row(), CHURNED.as_row())
    lineage.emit_published(night, replace(events(settings.lake)[-1], gates=gates), NOON)

    facets = {
        Path(dataset["name"]).name: dataset["inputFacets"]
        for dataset in emitted_events()[-1]["inputs"]
    }
    [full] = facets["rec_topk"]["dataQualityAssertions"]["assertions"]
    assert (full["assertion"], full["success"]) == ("full_list_ratio", True)
    [churn] = facets["rec_changes"]["dataQualityAssertions"]["assertions"]
    assert (churn["success"], churn["expected"], churn["actual"]) == (
        False, "at most 0.95", "0.99",
    )  # fmt: skip


def test_a_table_in_a_bucket_has_the_bucket_as_namespace():
    assert lineage.dataset_name("s3://music/nightly/lake", "rec_topk") == (
        "s3://music",
        "nightly/lake/tables/rec_topk",
    )


def test_a_task_that_fails_emits_start_and_fail_without_its_message(settings, emitted_events):
    """A message may name a person."""
    night = Night(MARCH_1, "r1", settings)

    with (
        pytest.raises(ValueError, match="ann"),
        lineage.run_events(night, ["a", "b"], lambda: NOON),
    ):
        raise ValueError("ann has no list")

    found = [(event["eventType"], event["job"]["name"]) for event in emitted_events()]
    assert found == [("START", "a"), ("START", "b"), ("FAIL", "a"), ("FAIL", "b")]
    assert len({event["run"]["runId"] for event in emitted_events()}) == 2
    error = emitted_events()[-1]["run"]["facets"]["errorMessage"]
    assert (error["message"], "ann" in json.dumps(emitted_events())) == ("ValueError", False)


def test_a_server_that_is_down_stops_no_task_and_loses_no_event(settings):
    """Nobody listens at port 1. What it did not take is kept, and the task's own error stays."""
    away = settings.model_copy(update={"lineage_url": "http://127.0.0.1:1"})
    night = Night(MARCH_1, "r1", away)

    with pytest.raises(ValueError, match="its own"), lineage.run_events(night, ["a"], lambda: NOON):
        raise ValueError("its own")

    kept = [json.loads(line) for line in (settings.state / lineage.UNSENT_FILE).open()]
    assert [event["eventType"] for event in kept] == ["START", "FAIL"]
    assert not (settings.state / lineage.FILE).exists()


def test_every_try_of_a_task_has_the_same_id_and_another_run_has_another():
    first = lineage.run_uuid("r1", "rec_topk")

    assert first == lineage.run_uuid("r1", "rec_topk")
    assert first != lineage.run_uuid("r2", "rec_topk")
