"""What all DAGs share: schedule, owner, retries, whom to tell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import CronDataIntervalTimetable

from dags.policy.alerts import task_failed
from dags.policy.schedule import NIGHTLY_BEGINS

NIGHTLY = CronDataIntervalTimetable(f"{NIGHTLY_BEGINS.minute} {NIGHTLY_BEGINS.hour} * * *", "UTC")
"""Once a day, for the interval that began 24 hours earlier: as_of is the date of
data_interval_start.
"""

EVERY_NOON = CronDataIntervalTimetable("0 12 * * *", "UTC")
"""When the night is over and nobody waits for a table."""

FIRST_DAY = datetime(2020, 1, 1, tzinfo=UTC)

DEFAULTS: dict[str, Any] = {
    "owner": "evensong",
    "retries": 2,
    "retry_delay": timedelta(minutes=2),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=20),
    "execution_timeout": timedelta(hours=3),
    "on_failure_callback": task_failed,
}

A_RUN: dict[str, Any] = {
    "type": "string",
    "pattern": r"^\d{4}-\d{2}-\d{2}-[0-9a-f]{8}$",
    "description": "As in published_runs: a day and eight letters or digits.",
}
A_REASON: dict[str, Any] = {
    "type": "string",
    "minLength": 5,
    "title": "Reason",
    "description": "For those who read the events later.",
}
"""Parameters of what a person does by hand."""
