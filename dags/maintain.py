"""Every noon: keep the lake small without taking anything from readers.

**Reads** published_runs: what is current, and which runs can still be restored.

**Writes** no row of any table. Drops slices and landing files that are older than the settings
`maintenance.slice_days` and `maintenance.landing_days`, packs small files (OPTIMIZE), and deletes
files that no version in use needs (VACUUM). What the current run and the runs of the last
`maintenance.restorable_days` days pin stays, however old it is.

**When late:** nothing happens but that the lake grows.

**When red:** the message names the table. A lease that another run holds is waited for; clear the
task when that run has ended.

**To re-run:** clear the failed task; each does only what is left to do.

**To backfill:** never needed; a run looks at the clock, not at its interval.
"""

from __future__ import annotations

from airflow.sdk import dag
from airflow.sdk.bases.operator import chain

from dags.operators.tasks import (
    COMPACT_FILES,
    EXPIRE_LANDING,
    EXPIRE_SLICES,
    VACUUM_FILES,
    maintenance_task,
)
from dags.policy.defaults import DEFAULTS, EVERY_NOON, FIRST_DAY
from dags.policy.roles import RUNNER, may_act


@dag(
    dag_id="evensong_maintain",
    schedule=EVERY_NOON,
    start_date=FIRST_DAY,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
    doc_md=__doc__,
    description="Expire, compact, vacuum; readers keep what they see.",
    access_control=may_act(RUNNER),
    tags=["evensong", "maintenance"],
)
def evensong_maintain() -> None:
    """Wire the maintenance: vacuum last, it deletes what the others have let go."""
    chain(
        maintenance_task(EXPIRE_LANDING),
        maintenance_task(EXPIRE_SLICES),
        maintenance_task(COMPACT_FILES),
        maintenance_task(VACUUM_FILES),
    )


evensong_maintain()
