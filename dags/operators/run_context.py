"""The Night, run id and settings of an Airflow task instance.

Tasks read the settings when they run: Airflow parses DAG files all the time and never needs them.
"""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog
from airflow.sdk.exceptions import AirflowFailException

from dags.policy.secret_masks import mask_secrets

if TYPE_CHECKING:
    from feature_store.settings import Night, Settings

LOG = structlog.get_logger()


def night_of(context: Any) -> Night:
    """Return the Night of a task instance; as_of is the date of its data interval's start.

    Raises:
        AirflowFailException: the run was triggered without a date, or for a day far ahead.
    """
    from feature_store.as_of import DayAhead, check_as_of
    from feature_store.settings import Night

    if context.get("data_interval_start") is None:
        raise AirflowFailException(
            f"{context['run_id']}: a night needs a date: trigger it with a logical date, or run a "
            "backfill of that date"
        )
    as_of = context["data_interval_start"].date()
    try:
        check_as_of(as_of, datetime.now(UTC))
    except DayAhead as error:  # a later try on the same day would fail too
        raise AirflowFailException(str(error)) from error
    return Night(as_of, run_id_of(as_of.isoformat(), context["run_id"]), current_settings())


def run_id_of(as_of: str, dag_run_id: str) -> str:
    """Return our run id: the day and a hash of Airflow's run id, equal for every try of a run."""
    return f"{as_of}-{hashlib.sha256(dag_run_id.encode()).hexdigest()[:8]}"


def current_settings() -> Settings:
    """Load the settings of this process, and name their file in the task's log.

    From then on the log hides the secrets of the environment and of the settings' file.
    """
    from feature_store.settings import config_file, load_settings

    mask_secrets(os.environ)
    LOG.info("settings", file=str(config_file() or "none"))
    settings = load_settings()
    mask_secrets({"lineage_url": settings.lineage_url, "lake": settings.lake})
    return settings
