"""Manual: take a landing file out of its day, so that it stops no night and counts in none.

The same as `evensong landing withdraw`, for operators without a command line.

**Reads** the manifests of the landing days.

**Writes** who withdrew the file, when and why into the manifest that lists it. The file itself, and
what nights have read of it, stay.

**When late:** the DAG takes seconds. It waits while a night closes its landing days.

**When red:** the message says what is wrong with the file: no closed day lists it, or it is
withdrawn already. Nothing has changed.

**To re-run:** clear the failed task. A file that is withdrawn already needs nothing more.

**To backfill:** does not apply to this DAG. After it, clear the task of the night that failed. If a
night has read the file before, backfill evensong_nightly from the file's day, which the task's
return value names, to the newest night: states of people and tracks are carried forward.

Trigger the DAG with the file, as the error of the failed task or `evensong landing list` prints it,
and the reason. The manifest keeps the reason and your name.
"""

from __future__ import annotations

from airflow.sdk import Param, dag

from dags.operators.manual_tasks import withdrawing_task
from dags.policy.defaults import DEFAULT_ARGS, REASON_PARAM, START_DATE
from dags.policy.roles import RUNNER, access_control_for


@dag(
    dag_id="evensong_withdraw",
    schedule=None,
    start_date=START_DATE,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    doc_md=__doc__,
    description="Take a landing file out of its day.",
    access_control=access_control_for(RUNNER),
    tags=["evensong", "manual"],
    params={
        "path": Param(
            type="string",
            pattern=r"^landing/\S.*$",
            title="File",
            description="Relative to the lake, for example landing/listens/2026-03-01/a.parquet.",
        ),
        "reason": Param(**REASON_PARAM),
    },
)
def evensong_withdraw() -> None:
    """Wire the withdrawal."""
    withdrawing_task()


withdraw_dag = evensong_withdraw()
