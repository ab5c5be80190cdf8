"""The publish mode of a run: a backfill with make_current switches readers once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from dags.operators.run_context import night_of

if TYPE_CHECKING:
    from feature_store.settings import Night

_LONGEST_BACKFILL_DAYS = 32


def publish_mode(context: Any) -> str:
    """Return the publish mode of a task instance's run: auto, stage_only or make_current.

    Every run uses its parameter `publish`, except the runs of a backfill with make_current:

    - A run stages while a run of a later date is queued or running. Airflow queues the runs of a
      backfill together and allows one backfill of a DAG at a time.
    - A run stages when readers moved to a later day after the run began, because parallel runs may
      finish in any order.
    - A cleared run becomes auto, because the runs of later dates are finished.

    A backfill that runs backwards begins with its last date and switches readers there.
    """
    mode = str(context["params"]["publish"])
    run = context["dag_run"]
    if mode != "make_current" or run.run_type != "backfill":
        return mode
    if run.clear_number:
        return "auto"
    later = [run.run_after + timedelta(days=days) for days in range(1, _LONGEST_BACKFILL_DAYS)]
    n_unfinished = context["ti"].get_dr_count(
        run.dag_id,
        run_ids=[f"backfill__{day.isoformat()}" for day in later],
        states=["queued", "running"],
    )
    if n_unfinished or _readers_moved_past(night_of(context), run.start_date):
        return "stage_only"
    return mode


def _readers_moved_past(night: Night, since: datetime) -> bool:
    """Whether an event after `since` made a later day than the night's current."""
    from feature_store.publishing.snapshot import current_event, events

    current = current_event(events(night.settings.lake))
    return current is not None and current.as_of > night.as_of and current.recorded_at_utc >= since
