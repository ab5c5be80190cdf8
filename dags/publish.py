"""By hand: show readers a run that was only staged, or one that a rule has blocked.

**Reads** published_runs, run_waivers, and every table as the run pinned it.

**Writes** one `publish` event to published_runs; with a waived rule, first a row of run_waivers. No
row of any other table.

**When late:** it takes seconds; readers who have a snapshot open keep it.

**When red:** the message says what stops the run, or who published meanwhile. Nothing has changed.

**To re-run:** clear the failed task; when somebody published meanwhile, look at `evensong
published` first.

**To backfill:** does not apply; it has no schedule.

Trigger it with the run (`evensong published` lists them; typing its id is the confirmation) and the
reason, which the event keeps together with your name. A blocked run needs the rule that stops it as
well: a population rule can be let through for this one run, a rule about rows never.
"""

from __future__ import annotations

from airflow.sdk import Param, dag
from airflow.sdk.bases.operator import chain

from dags.operators.tasks import hand_publishing_task, waiving_task
from dags.policy.defaults import A_REASON, A_RUN, DEFAULTS, FIRST_DAY
from dags.policy.roles import PUBLISHER, may_act


@dag(
    dag_id="evensong_publish",
    schedule=None,
    start_date=FIRST_DAY,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    doc_md=__doc__,
    description="Show readers a staged run, or a blocked one with its rule waived.",
    access_control=may_act(PUBLISHER),
    tags=["evensong", "by hand"],
    params={
        "run_id": Param(**A_RUN, title="Run to publish"),
        "reason": Param(**A_REASON),
        "waived_rule": Param(
            "",
            type="string",
            title="Rule to let through",
            description="Of a blocked run: the population rule that stops it. Empty for none.",
        ),
    },
)
def evensong_publish() -> None:
    """Wire the two tasks."""
    chain(waiving_task(), hand_publishing_task())


evensong_publish()
