"""Airflow operator of a Spark job: in the task's own process or through spark-submit."""

from __future__ import annotations

import json
import os
import pkgutil
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from dags.operators.run_context import night_of

if TYPE_CHECKING:
    from airflow.providers.apache.spark.hooks.spark_submit import SparkSubmitHook

    from feature_store.settings import Night

RUN_JOB = "jobs.run:run_job"
CONNECTION = "evensong_spark"


class SparkJob(BaseOperator):
    """Runs the job of one table for the run's Night; the setting `spark.submit` chooses how.

    SparkJob reads the setting when the task runs. SparkSubmitOperator would need the setting each
    time that Airflow parses the DAG file.
    """

    _submitted: SparkSubmitHook | None = None

    def __init__(self, *, table_name: str, **kwargs: Any) -> None:
        super().__init__(task_id=table_name, pool=table_name, **kwargs)
        self.table_name = table_name

    def execute(self, context: Any) -> None:
        """Run the job for the Night of the context's run."""
        night = night_of(context)
        if night.settings.spark.submit:
            self._submit(night)
        else:
            pkgutil.resolve_name(RUN_JOB)(self.table_name, night)

    def on_kill(self) -> None:
        """Stop the driver of a killed task, which would otherwise go on writing."""
        if self._submitted is not None:
            self._submitted.on_kill()

    def _submit(self, night: Night) -> None:
        from airflow.providers.apache.spark.hooks.spark_submit import SparkSubmitHook

        from feature_store.spark.local_folder import own_spill_folder
        from feature_store.spark.session import prepare_environment, session_options
        from feature_store.terminal import DEBUG

        prepare_environment(night.settings)
        master = {"conn_type": "spark", "host": night.settings.spark.master}
        os.environ[f"AIRFLOW_CONN_{CONNECTION.upper()}"] = json.dumps(master)
        self._submitted = SparkSubmitHook(
            conn_id=CONNECTION,
            name=f"evensong {self.table_name}",
            conf=session_options(night.settings)
            | {"spark.local.dir": str(own_spill_folder(night.settings.state))},
            # The submitted application makes its own session instead of using the shared Java.
            env_vars={"EVENSONG_SPARK__GATEWAY": ""},
            application_args=[
                self.table_name,
                "--as-of",
                f"{night.as_of:%Y-%m-%d}",
                "--run-id",
                night.run_id,
                DEBUG,  # the task's log keeps the traceback
            ],
        )
        self._submitted.submit(_application())


def _application() -> str:
    """Find the file for spark-submit without importing Spark in this process."""
    from importlib.util import find_spec

    found = find_spec("jobs.run")
    if found is None or found.origin is None:
        raise FileNotFoundError("jobs.run: not installed with the DAGs; install the project")
    return found.origin
