"""Schedules, default arguments and parameters that the DAGs share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import CronDataIntervalTimetable

from dags.policy.alerts import task_failed
from dags.policy.schedule import NIGHTLY_START_UTC

NIGHTLY = CronDataIntervalTimetable(
    f"{NIGHTLY_START_UTC.minute} {NIGHTLY_START_UTC.hour} * * *", "UTC"
)
"""Once a day, for the interval that began 24 hours earlier: as_of is the date of
data_interval_start.
"""

EVERY_NOON = CronDataIntervalTimetable("0 12 * * *", "UTC")
"""Six hours after the deadline of the nightly run."""

START_DATE = datetime(1970, 1, 1, tzinfo=UTC)
"""The first day that can have a night: no landing.earliest_date lies before it."""

DEFAULT_ARGS: dict[str, Any] = {
    "owner": "evensong",
    "retries": 2,
    "retry_delay": timedelta(minutes=2),
    "retry_exponential_backoff": True,
    "max_retry_delay": timedelta(minutes=20),
    "execution_timeout": timedelta(hours=3),
    "on_failure_callback": task_failed,
}

RUN_ID_PARAM: dict[str, Any] = {
    "type": "string",
    "pattern": r"^\d{4}-\d{2}-\d{2}-[0-9a-f]{8}$",
    "description": "As in published_runs: a day and eight letters or digits.",
}
REASON_PARAM: dict[str, Any] = {
    "type": "string",
    "minLength": 5,
    "title": "Reason",
    "description": "For those who read the events later.",
}
