"""Erase a person, by the id of a request.

`evensong erase USER` records the request, prints its id and does the same work; this DAG is for
requests that were interrupted, and for places where nobody has a command line. The person's id is
in the request's file alone (`privacy/requests/` in the lake); no parameter, log or field has it.

**Reads** the request, landing files, every table with people in it, models, MLflow, reports,
lineage, Airflow's own logs and database.
**Writes** all of these without the person; the event `erase` in published_runs, which shows readers
the same run from new versions at once; and at its end a row in run_erasures: the evidence.

**When late:** readers have the new versions as soon as erase_rows is green. The old files go in
finish_erasure, after the time that `privacy.reader_grace_s` leaves to readers.

**When red:** the message says what to do. The request stays `pending`, and nothing is lost.

**To re-run:** clear the failed task. Every task takes out what is still there.

**To backfill:** nothing. Nights of any date leave the person out from now on: landing files lose
the rows before they are read. Runs published earlier can no longer be restored.
"""

from __future__ import annotations

from airflow.sdk import Param, dag
from airflow.sdk.bases.operator import chain

from dags.operators.erasure_steps import ERASE_LOGS, ERASE_MODELS, ERASE_ROWS, FINISH_ERASURE
from dags.operators.tasks import erasing_task
from dags.policy.defaults import DEFAULTS, FIRST_DAY
from dags.policy.roles import PRIVACY_OFFICER, may_act


@dag(
    dag_id="evensong_erase",
    schedule=None,
    start_date=FIRST_DAY,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    doc_md=__doc__,
    description="Take a person out of everything, by the id of a request.",
    access_control=may_act(PRIVACY_OFFICER),
    tags=["evensong", "privacy"],
    params={
        "request_id": Param(
            "",
            type="string",
            pattern="^[0-9a-f]{16}$",
            description="What `evensong erase` printed. Never a person's id.",
        )
    },
)
def evensong_erase() -> None:
    """Wire the erasure."""
    chain(
        erasing_task("erase_rows", ERASE_ROWS),
        erasing_task("erase_models", ERASE_MODELS),
        erasing_task("erase_logs", ERASE_LOGS),
        erasing_task("finish_erasure", FINISH_ERASURE),
    )


evensong_erase()
