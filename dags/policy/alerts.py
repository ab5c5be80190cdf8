"""Alerts: a failed task, no run published by 06:00 UTC, an erasure that does not end.

The setting `notifier` names the function that sends an alert; the default writes one log line.
"""

from __future__ import annotations

import pkgutil
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog
from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

from dags.policy.error_hints import with_hint

if TYPE_CHECKING:
    from feature_store.settings import Settings

LOG = structlog.get_logger()

ALERTS = ("late", "failed", "erasure_pending")
"""Each has its section in infra/runbook.md."""


def log_alert(alert: str, text: str) -> None:
    """Write an alert to the log; the default notifier."""
    LOG.error("alert", alert=alert, text=text, runbook=f"infra/runbook.md#{alert}")


def send_alert(alert: str, text: str) -> None:
    """Send an alert through the function that the setting `notifier` names."""
    from feature_store.settings import load_settings

    pkgutil.resolve_name(load_settings().notifier)(alert, text)


def task_failed(context: Any) -> None:
    """Send the alert "failed" with the task's error; Airflow calls it after the last try."""
    instance = context["task_instance"]
    error = context.get("exception") or "ended without a message: read the log of the task"
    send_alert(
        "failed",
        f"{instance.dag_id} {context['run_id']}: {instance.task_id}: {with_hint(str(error))}",
    )


async def deadline_passed(context: dict[str, Any]) -> None:
    """Send the alert "late" when a scheduled run is not published at 06:00 UTC.

    Airflow calls this function for every unfinished run; a backfill is never late, and neither is a
    published run in which a task that nobody waits for still works.
    """
    run = context["dag_run"]
    if str(run["dag_run_id"]).startswith("scheduled") and (text := late_message(run)):
        send_alert("late", text)


def alert_pending_erasures(settings: Settings, now: datetime) -> int:
    """Send the alert "erasure_pending" for each old unfinished request; returns how many."""
    from feature_store.privacy.requests import pending_requests

    oldest = now - timedelta(hours=settings.privacy.pending_alert_hours)
    old = [each for each in pending_requests(settings) if each.requested_at_utc <= oldest]
    for request in old:
        age_hours = (now - request.requested_at_utc).total_seconds() / 3600
        send_alert(
            "erasure_pending",
            f"privacy/requests: rule finished within {settings.privacy.pending_alert_hours:g} "
            f"hours: request {request.request_id} has been pending for {age_hours:.0f}; continue "
            f"it with `evensong erase --request {request.request_id}`, or all with `evensong erase "
            "--resume`",
        )
    return len(old)


def late_message(run: dict[str, Any]) -> str | None:
    """The run, the run that readers see instead, and the next step; None if it is published."""
    from feature_store.publishing.snapshot import current_event, events
    from feature_store.settings import load_settings

    history = events(load_settings().lake)
    as_of = datetime.fromisoformat(str(run["logical_date"])).date()
    if any(event.as_of == as_of and event.action == "publish" for event in history):
        return None
    current = current_event(history)
    visible = f"run {current.run_id} of {current.as_of}" if current else "nothing yet"
    return (
        f"published_runs: rule published by 06:00 UTC: the run of {as_of} is {run['state']}; "
        f"readers see {visible}; open {run['dag_id']} in Airflow and look at its newest run"
    )


PUBLICATION_DEADLINE = DeadlineAlert(
    # A run's interval begins at 02:00 of as_of; 28 hours later it is 06:00 of the next day.
    reference=DeadlineReference.DAGRUN_LOGICAL_DATE,
    interval=timedelta(hours=28),
    callback=AsyncCallback(deadline_passed),
    name="published by 06:00 UTC",
)
