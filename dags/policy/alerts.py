"""Who is told when a task has failed for good, or 06:00 UTC has passed and nothing is published.

The setting `notifier` names the function that is told; without it the notice is one log line.
"""

from __future__ import annotations

import pkgutil
from datetime import datetime, timedelta
from typing import Any

import structlog
from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

from dags.policy.error_hints import with_next_step

LOG = structlog.get_logger()

ALERTS = ("late", "failed")
"""Each has its section in infra/runbook.md."""


def to_log(alert: str, text: str) -> None:
    """The notifier that a new installation has."""
    LOG.error("alert", alert=alert, text=text, runbook=f"infra/runbook.md#{alert}")


def tell(alert: str, text: str) -> None:
    """Tell whoever is on call, as the setting `notifier` says."""
    from feature_store.settings import load_settings

    pkgutil.resolve_name(load_settings().notifier)(alert, text)


def task_failed(context: Any) -> None:
    """Airflow's callback after a task's last try; errors name table, rule, value and next step."""
    instance = context["task_instance"]
    error = context.get("exception") or "ended without a message: read the log of the task"
    tell(
        "failed",
        f"{instance.dag_id} {context['run_id']}: {instance.task_id}: {with_next_step(str(error))}",
    )


async def deadline_passed(context: dict[str, Any]) -> None:
    """Airflow's callback at 06:00 UTC for a run that has not ended; backfills are never late."""
    run = context["dag_run"]
    if str(run["dag_run_id"]).startswith("scheduled"):
        tell("late", late_notice(run))


def late_notice(run: dict[str, Any]) -> str:
    """What to read at 06:00: the run, what readers have instead, and the next step."""
    from feature_store.publishing.snapshot import current_event, events
    from feature_store.settings import load_settings

    current = current_event(events(load_settings().lake))
    seen = f"run {current.run_id} of {current.as_of}" if current else "nothing yet"
    as_of = datetime.fromisoformat(str(run["logical_date"])).date()
    return (
        f"published_runs: rule published by 06:00 UTC: the run of {as_of} is {run['state']}; "
        f"readers see {seen}; open {run['dag_id']} in Airflow and look at its newest run"
    )


PUBLISHED_BY_SIX = DeadlineAlert(
    # A run's interval begins at 02:00 of as_of; 28 hours later it is 06:00 of the next day.
    reference=DeadlineReference.DAGRUN_LOGICAL_DATE,
    interval=timedelta(hours=28),
    callback=AsyncCallback(deadline_passed),
    name="published by 06:00 UTC",
)
