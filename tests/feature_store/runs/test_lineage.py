"""Lineage: what was read at which version, what was written, and what the gates said."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from feature_store.publishing.snapshot import events
from feature_store.runs import lineage, run_log
from feature_store.tables.core import CORE_TRACKS
from feature_store.tables.recommendations import REC_TOPK
from tests.feature_store.lake.staging import (
    CHURNED,
    MARCH_1,
    NOON,
    PASSED,
    publish_run,
    staged_run,
)


@pytest.fixture
def told(settings):
    """Everything that was told so far, oldest first."""

    def read():
        return [json.loads(line) for line in (settings.state / lineage.FILE).open()]

    return read


def facet(dataset, name):
    return {key: value for key, value in dataset["facets"][name].items() if key[0] != "_"}


def test_a_task_tells_versions_rows_and_the_night_it_belongs_to(settings, told):
    _, pins = staged_run(settings, MARCH_1, "r1")

    [topk] = [event for event in told() if event["job"]["name"] == "rec_topk"]

    [output] = topk["outputs"]
    [pin] = [pin for pin in pins if pin.table_name == "rec_topk"]
    assert (output["name"], facet(output, "version")) == (
        "rec_topk",
        {"datasetVersion": str(pin.table_version)},
    )
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 1
    assert topk["run"]["facets"]["nominalTime"]["nominalStartTime"].startswith("2026-03-01")
    parents = {event["run"]["facets"]["parent"]["run"]["runId"] for event in told()}
    assert len(parents) == 1


def test_inputs_come_with_the_version_that_was_read(settings, told):
    night, pins = staged_run(settings, MARCH_1, "r1")
    inputs = lineage.versions_of(settings.lake, [REC_TOPK, CORE_TRACKS])
    written = run_log.Written("run_quality", 3, 0, 0, "x")

    run_log.record_task(night, written, inputs, elapsed_s=1.0, now=NOON)

    [read] = told()[-1]["inputs"]  # core_tracks is not there yet
    [pin] = [pin for pin in pins if pin.table_name == "rec_topk"]
    assert (read["name"], facet(read, "version")["datasetVersion"]) == (
        "rec_topk",
        str(pin.table_version),
    )


def test_a_publication_tells_its_gates_as_assertions(settings, told):
    night, pins = staged_run(settings, MARCH_1, "r1")
    publish_run((night, pins))

    gates = (PASSED.as_row(), CHURNED.as_row())
    lineage.emit_published(night, replace(events(settings.lake)[-1], gates=gates), NOON)

    told_of = {one["name"]: one["inputFacets"] for one in told()[-1]["inputs"]}
    [full] = told_of["rec_topk"]["dataQualityAssertions"]["assertions"]
    assert (full["assertion"], full["success"]) == ("full_list_ratio", True)
    [churn] = told_of["rec_changes"]["dataQualityAssertions"]["assertions"]
    assert (churn["success"], churn["expected"], churn["actual"]) == (
        False, "at most 0.95", "0.99",
    )  # fmt: skip


def test_another_try_of_a_task_has_the_same_id_and_another_run_has_not():
    one = lineage.run_uuid("r1", "rec_topk")

    assert one == lineage.run_uuid("r1", "rec_topk")
    assert one != lineage.run_uuid("r2", "rec_topk")
