"""By hand: show readers an earlier published run again, whole, by one appended event.

**Reads** published_runs, and every table as the run pinned it: a run whose files are gone is
refused.

**Writes** one `rollback` event to published_runs; no row of any other table.

**When late:** it takes seconds; readers who have a snapshot open keep it.

**When red:** the message says which runs can be restored, or who published meanwhile. Nothing has
changed.

**To re-run:** clear the task; when somebody published meanwhile, look at `evensong published`
first.

**To backfill:** does not apply; it has no schedule.

Trigger it with the run to return to (`evensong published` lists them; typing its id is the
confirmation) and the reason, which the event keeps together with your name. The next scheduled
night publishes a newer day again: pause evensong_nightly if it must not.
"""

from __future__ import annotations

from airflow.sdk import Param, dag

from dags.operators.tasks import rollback_task
from dags.policy.defaults import A_REASON, A_RUN, DEFAULTS, FIRST_DAY
from dags.policy.roles import PUBLISHER, may_act


@dag(
    dag_id="evensong_rollback",
    schedule=None,
    start_date=FIRST_DAY,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    doc_md=__doc__,
    description="Show readers an earlier published run again.",
    access_control=may_act(PUBLISHER),
    tags=["evensong", "by hand"],
    params={
        "run_id": Param(**A_RUN, title="Run to return to"),
        "reason": Param(**A_REASON),
    },
)
def evensong_rollback() -> None:
    """Wire the one task."""
    rollback_task()


evensong_rollback()
