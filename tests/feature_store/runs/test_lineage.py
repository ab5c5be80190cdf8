"""Lineage: the versions that a task reads and writes, and the gates of a publication."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from feature_store.publishing.snapshot import events
from feature_store.runs import lineage, run_log
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
    assert (output["name"], facet(output, "version")) == (
        "rec_topk",
        {"datasetVersion": str(pin.table_version)},
    )
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
    assert (read["name"], facet(read, "version")["datasetVersion"]) == (
        "rec_topk",
        str(pin.table_version),
    )


def test_a_publication_emits_its_gates_as_assertions(settings, emitted_events):
    night, pins = staged_run(settings, MARCH_1, "r1")
    publish_run((night, pins))

    gates = (PASSED.as_row(), CHURNED.as_row())
    lineage.emit_published(night, replace(events(settings.lake)[-1], gates=gates), NOON)

    facets = {dataset["name"]: dataset["inputFacets"] for dataset in emitted_events()[-1]["inputs"]}
    [full] = facets["rec_topk"]["dataQualityAssertions"]["assertions"]
    assert (full["assertion"], full["success"]) == ("full_list_ratio", True)
    [churn] = facets["rec_changes"]["dataQualityAssertions"]["assertions"]
    assert (churn["success"], churn["expected"], churn["actual"]) == (
        False, "at most 0.95", "0.99",
    )  # fmt: skip


def test_every_try_of_a_task_has_the_same_id_and_another_run_has_another():
    first = lineage.run_uuid("r1", "rec_topk")

    assert first == lineage.run_uuid("r1", "rec_topk")
    assert first != lineage.run_uuid("r2", "rec_topk")
