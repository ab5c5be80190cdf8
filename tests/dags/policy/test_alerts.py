"""Alerts of a failed task and of a run that is late at 06:00 UTC."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.feature_store.publishing.staging import MARCH_1, publish_run, staged_run

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
ROOT = Path(__file__).parents[3]
SENT = []


def record_alert(alert, text):
    """A notifier; the setting names this function."""
    SENT.append((alert, text))


@pytest.fixture(autouse=True)
def sent(monkeypatch, tmp_path):
    SENT.clear()
    monkeypatch.setenv("EVENSONG_NOTIFIER", f"{__name__}:record_alert")
    monkeypatch.setenv("EVENSONG_LAKE", str(tmp_path / "lake"))
    return SENT


def run_of(kind):
    return {
        "dag_id": "evensong_nightly",
        "dag_run_id": f"{kind}__2026-03-02T02:00:00+00:00",
        "logical_date": "2026-03-01T02:00:00Z",
        "state": "running",
    }


def test_a_late_scheduled_run_names_table_rule_value_and_next_step(sent):
    from dags.policy.alerts import deadline_passed

    asyncio.run(deadline_passed({"dag_run": run_of("scheduled")}))

    [(alert, text)] = sent
    assert alert == "late"
    assert text.startswith("published_runs: rule published by 06:00 UTC: the run of 2026-03-01 is")
    assert "readers see nothing yet" in text
    assert "open evensong_nightly" in text


def test_a_backfill_of_an_old_date_is_not_late(sent):
    from dags.policy.alerts import deadline_passed

    asyncio.run(deadline_passed({"dag_run": run_of("backfill")}))
    assert sent == []

    asyncio.run(deadline_passed({"dag_run": run_of("scheduled")}))
    assert [alert for alert, _ in sent] == ["late"]


@pytest.mark.parametrize(("mode", "alerts"), [("make_current", []), ("stage_only", ["late"])])
def test_a_published_run_with_a_task_at_work_is_not_late(sent, settings, monkeypatch, mode, alerts):
    """A language model may answer for hours after the lists are published."""
    from dags.policy.alerts import deadline_passed

    monkeypatch.setenv("EVENSONG_LAKE", settings.lake)
    publish_run(staged_run(settings, MARCH_1, "r1"), mode=mode)

    asyncio.run(deadline_passed({"dag_run": run_of("scheduled")}))

    assert [alert for alert, _ in sent] == alerts


def test_the_alert_of_a_failed_task_has_the_message_of_its_error(sent):
    from dags.policy.alerts import task_failed

    task_failed(
        {
            "task_instance": SimpleNamespace(dag_id="evensong_nightly", task_id="published_runs"),
            "run_id": "scheduled__1",
            "exception": RuntimeError("rec_topk: churn_ratio is 1"),
        }
    )

    assert sent == [
        (
            "failed",
            "evensong_nightly scheduled__1: published_runs: rec_topk: churn_ratio is 1",
        )
    ]


def test_without_the_setting_an_alert_is_a_log_line(monkeypatch, tmp_path):
    """Runs in a new process, because another test's Airflow may have silenced the log of this one."""
    monkeypatch.delenv("EVENSONG_NOTIFIER")
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "airflow"))
    monkeypatch.delenv("AIRFLOW__LOGGING__LOGGING_LEVEL", raising=False)

    printed = subprocess.run(
        [
            sys.executable,
            "-c",
            "from dags.policy.alerts import send_alert; send_alert('late', 'rec_topk is late')",
        ],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    ).stdout

    assert "rec_topk is late" in printed
    assert "infra/runbook.md#late" in printed


def test_an_old_unfinished_erasure_raises_an_alert_without_the_person(sent, settings):
    from dags.policy.alerts import alert_pending_erasures
    from feature_store.privacy.requests import record_request

    old, young = (
        record_request(settings, "ada-l", actor="officer", now=NOON - timedelta(hours=age_hours))
        for age_hours in (25, 23)
    )

    assert alert_pending_erasures(settings, NOON) == 1

    [(alert, text)] = sent
    assert alert == "erasure_pending"
    assert f"request {old.request_id} has been pending for 25; continue it with `evensong erase --request {old.request_id}`" in text  # fmt: skip
    assert young.request_id not in text
    assert "ada-l" not in text
