"""Two DAGs that a publisher triggers: evensong_rollback and evensong_publish.

A successful run of either DAG appends one event to published_runs.
"""

from __future__ import annotations

from airflow.sdk import DAG, Param
from airflow.sdk.bases.operator import chain

from dags.operators.manual_tasks import manual_publishing_task, rollback_task, waiving_task
from dags.policy.defaults import DEFAULT_ARGS, REASON_PARAM, RUN_ID_PARAM, START_DATE
from dags.policy.roles import PUBLISHER, access_control_for

ROLLBACK_MANUAL = """Manual: make an earlier published run current again, with all of its tables.

**Reads** published_runs, and every table at the version of that run. The DAG refuses a run whose
files are deleted.

**Writes** one `rollback` event to published_runs; no row of any other table.

**When late:** the DAG takes seconds. Readers with an open snapshot keep it.

**When red:** the message lists the runs that can be restored, or names the event that was published
meanwhile. Nothing has changed.

**To re-run:** clear the task. After a publication meanwhile, look at `evensong published` first.

**To backfill:** does not apply; the DAG has no schedule.

Trigger the DAG with the run to return to (`evensong published` lists the runs; typing the id is the
confirmation) and the reason. The event keeps the reason and your name. The next scheduled night
publishes a newer day again: pause evensong_nightly if readers must stay on the earlier run.
"""

PUBLISH_MANUAL = """Manual: publish a staged run, or a blocked run with a waived rule.

**Reads** published_runs, run_waivers, and every table at the version of that run.

**Writes** one `publish` event to published_runs; with a waived rule, first a row of run_waivers. No
row of any other table.

**When late:** the DAG takes seconds. Readers with an open snapshot keep it.

**When red:** the message names the rule that stops the run, or the event that was published
meanwhile. Nothing has changed.

**To re-run:** clear the failed task. After a publication meanwhile, look at `evensong published`
first.

**To backfill:** does not apply; the DAG has no schedule.

Trigger the DAG with the run (`evensong published` lists the runs; typing the id is the
confirmation) and the reason. The event keeps the reason and your name. A blocked run also needs the
rule that stops it: a population rule can be waived for this one run, a rule about rows never.
"""


def manual_dag(
    dag_id: str, description: str, manual: str, *, run_id_title: str, more_params: dict[str, Param]
) -> DAG:
    """A DAG without schedule that a publisher triggers with run_id, reason and `more_params`."""
    return DAG(
        dag_id,
        schedule=None,
        start_date=START_DATE,
        catchup=False,
        max_active_runs=1,
        default_args=DEFAULT_ARGS,
        doc_md=manual,
        description=description,
        access_control=access_control_for(PUBLISHER),
        tags=["evensong", "manual"],
        params={
            "run_id": Param(**RUN_ID_PARAM, title=run_id_title),
            "reason": Param(**REASON_PARAM),
            **more_params,
        },
    )


with manual_dag(
    "evensong_rollback",
    "Show readers an earlier published run again.",
    ROLLBACK_MANUAL,
    run_id_title="Run to return to",
    more_params={},
) as rollback_dag:
    rollback_task()

with manual_dag(
    "evensong_publish",
    "Show readers a staged run, or a blocked one with its rule waived.",
    PUBLISH_MANUAL,
    run_id_title="Run to publish",
    more_params={
        "waived_rule": Param(
            "",
            type="string",
            title="Rule to waive",
            description="The population rule that stops a blocked run. Empty for none.",
        ),
    },
) as publish_dag:
    chain(waiving_task(), manual_publishing_task())
