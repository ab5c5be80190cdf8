"""Airflow tasks of the maintenance DAG, and the functions that they call by dotted name."""

from __future__ import annotations

import pkgutil
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import task

from dags.operators.run_context import current_settings

EXPIRE_LANDING = "jobs.landing.expiry:expire_landing"
EXPIRE_SLICES = "feature_store.runs.maintenance:expire_slices"
EXPIRE_VERSIONS = "feature_store.runs.maintenance:expire_versions"
COMPACT_FILES = "feature_store.runs.maintenance:compact_files"
VACUUM_FILES = "feature_store.runs.maintenance:vacuum_files"
ALERT_PENDING_ERASURES = "dags.policy.alerts:alert_pending_erasures"


def maintenance_task(task_id: str, function: str) -> Any:
    """Task that runs one maintenance step over all tables."""

    @task(task_id=task_id)
    def maintain() -> None:
        pkgutil.resolve_name(function)(current_settings(), datetime.now(UTC))

    return maintain()
