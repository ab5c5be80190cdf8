"""Erase people, by the ids of their erasure requests: one request, or all that are pending.

`evensong erase USER` records the request, prints its id and does the same work; `evensong erase
USER --later` only records it. This DAG erases all pending requests together, each table and file in
one pass, and serves operators without a command line. Only a request's file (`privacy/requests/` in
the lake) holds a person's id; no parameter, log or field has it. Nights go on meanwhile: they wait
while what is prepared is committed.

**Reads** the requests, landing files, every table with personal data, models, MLflow, reports,
lineage, Airflow's own logs and database.

**Writes** all of these without the people; the event `erase` in published_runs, which shows readers
the same run from new versions at once; and at the end a row in run_erasures for each request, as
evidence.

**Announces** the published assets as soon as erase_rows is green, with `{"action": "erase"}` in the
asset event's extra: teams that keep copies drop the people there. `evensong erase` runs without
Airflow and announces nothing; its readers find the event in published_runs.

**When late:** readers have the new versions as soon as erase_rows is green. The task finish_erasure
deletes the old files after `privacy.reader_grace_s`, the time that readers have to finish.

**When red:** the message says what to do. The requests stay `pending`, and nothing is lost.

**To re-run:** clear the failed task. Every task removes what is still there.

**To backfill:** not needed. Nights of any date leave the people out from now on: landing files lose
the rows before a night reads them. Earlier runs can no longer be restored.
"""

from __future__ import annotations

from airflow.sdk import Param, dag
from airflow.sdk.bases.operator import chain

from dags.operators.erasure_steps import ERASE_LOGS, ERASE_MODELS, ERASE_ROWS, FINISH_ERASURE
from dags.operators.manual_tasks import (
    announcing_erasure_task,
    choosing_requests_task,
    erasing_task,
)
from dags.policy.defaults import DEFAULT_ARGS, START_DATE
from dags.policy.roles import PRIVACY_OFFICER, access_control_for


@dag(
    dag_id="evensong_erase",
    schedule=None,
    start_date=START_DATE,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    doc_md=__doc__,
    description="Erase people everywhere: one request, or all that are pending.",
    access_control=access_control_for(PRIVACY_OFFICER),
    tags=["evensong", "privacy"],
    params={
        "request_id": Param(
            "",
            type="string",
            pattern="^([0-9a-f]{16})?$",
            description="The id that `evensong erase` printed; empty for all that are pending. "
            "Never a person's id.",
        )
    },
)
def evensong_erase() -> None:
    """Wire the erasure."""
    requests = choosing_requests_task()
    rows = erasing_task("erase_rows", ERASE_ROWS, requests)
    announcing_erasure_task(rows)
    chain(
        rows,
        erasing_task("erase_models", ERASE_MODELS, requests),
        erasing_task("erase_logs", ERASE_LOGS, requests),
        erasing_task("finish_erasure", FINISH_ERASURE, requests),
    )


erase_dag = evensong_erase()
