"""Every noon: expire, compact and vacuum the lake; readers keep what they see.

**Reads** published_runs: the current run, and the runs that can still be restored.

**Writes** no row of any table. Drops slices and landing files of rows that are older than the
settings `maintenance.slice_days` and `maintenance.landing_days` (audio files and covers stay),
and rows of feat_htcl_audio, feat_htcl_text, feat_htcl_fused and feat_text_emotion by model versions
that no kept day needs. Packs small files (OPTIMIZE), and deletes files that no version in use needs
(VACUUM). The versions of the current run and of the runs of the last `maintenance.restorable_days`
days stay, however old they are.

The task pending_erasures sends the alert "erasure_pending" for each request of an erasure that is
older than `privacy.pending_alert_hours`.

**When late:** the lake grows; nothing else happens.

**When red:** the message names the table. A task waits for a lease that another run holds; clear
the task when that run has ended.

**To re-run:** clear the failed task; each task does only the remaining work.

**To backfill:** never needed; a run uses the clock, not its interval.
"""

from __future__ import annotations

from airflow.sdk import dag
from airflow.sdk.bases.operator import chain

from dags.operators.maintenance_tasks import (
    ALERT_PENDING_ERASURES,
    COMPACT_FILES,
    EXPIRE_LANDING,
    EXPIRE_SLICES,
    EXPIRE_VERSIONS,
    VACUUM_FILES,
    maintenance_task,
)
from dags.policy.defaults import DEFAULT_ARGS, EVERY_NOON, START_DATE
from dags.policy.roles import RUNNER, access_control_for


@dag(
    dag_id="evensong_maintain",
    schedule=EVERY_NOON,
    start_date=START_DATE,
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULT_ARGS,
    doc_md=__doc__,
    description="Expire, compact, vacuum; readers keep what they see.",
    access_control=access_control_for(RUNNER),
    tags=["evensong", "maintenance"],
)
def evensong_maintain() -> None:
    """Wire the maintenance: vacuum comes last, because it deletes the files of the other steps."""
    chain(
        maintenance_task("expire_landing", EXPIRE_LANDING),
        maintenance_task("expire_slices", EXPIRE_SLICES),
        maintenance_task("expire_versions", EXPIRE_VERSIONS),
        maintenance_task("compact_files", COMPACT_FILES),
        maintenance_task("vacuum_files", VACUUM_FILES),
    )
    maintenance_task("pending_erasures", ALERT_PENDING_ERASURES)


maintain_dag = evensong_maintain()
