"""Airflow tasks of the nightly DAG, which call functions by dotted name with the run's Night.

Airflow parses DAG files all the time, so this module loads neither Spark nor Torch nor our
settings. A task imports what it needs when it runs.
"""

from __future__ import annotations

import pkgutil
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from dags.operators.assets import PUBLISHED_ASSETS
from dags.operators.publish_mode import publish_mode
from dags.operators.run_context import night_of
from dags.operators.spark_job import SparkJob
from dags.operators.torch_job import TorchJob

CLOSE_LANDING = "jobs.landing.closing:close_landing"
TRAIN = "training.train:train"
PREDICT = "training.predict:predict"
PREDICT_NOTHING = "training.predict:predict_nothing"
PUBLISH = "jobs.publishing.publication:publish_night"
REPORT = "jobs.report.report:write_report"


def spark_job(table_name: str) -> Any:
    """Task that writes one table; the table's name is the task id."""
    return SparkJob(table_name=table_name)


def landing_task() -> Any:
    """Task that closes the landing days up to as_of."""

    @task(task_id="landing", pool="landing")
    def close(**context: Any) -> None:
        pkgutil.resolve_name(CLOSE_LANDING)(night_of(context))

    return close()


def training_task(name: str) -> Any:
    """Task that trains a model or finds a young one; the training task's name is the task id."""
    return TorchJob(
        task_id=name, pool=name, training_task=name, function=TRAIN, params_read=("retrain",)
    )


def predicting_task(table_name: str, training_task: str) -> Any:
    """Task that writes what the promoted model of a training task predicts.

    The table's name is the task id. A training task that is off leaves an empty slice.
    """
    return TorchJob(
        task_id=table_name,
        pool=table_name,
        training_task=training_task,
        function=PREDICT,
        when_off=PREDICT_NOTHING,
    )


def publishing_task() -> Any:
    """Task that audits the staged tables and publishes them; returns the event's action.

    A failed gate fails the task without retry.
    """

    @task(task_id="published_runs", pool="published_runs")
    def publish(**context: Any) -> str:
        from feature_store.privacy.suppression import ErasedDuringRun
        from feature_store.publishing.gates import GateFailed
        from feature_store.publishing.publish import CurrentMoved

        try:
            event = pkgutil.resolve_name(PUBLISH)(
                night_of(context),
                mode=publish_mode(context),
                actor=f"airflow:{context['dag'].dag_id}",
                now=datetime.now(UTC),
            )
        except (GateFailed, CurrentMoved, ErasedDuringRun) as error:
            # The same rows would fail again, and a person must see what moved before another try.
            raise AirflowFailException(str(error)) from error
        return str(event.action)

    return publish()


def announcing_task(action: Any) -> Any:
    """Task that updates the published assets; skipped unless the event's `action` is publish."""

    @task(task_id="announced", outlets=PUBLISHED_ASSETS)
    def announce(action: str) -> None:
        if action != "publish":
            raise AirflowSkipException(f"the run ended with {action}: readers see what they saw")

    return announce(action)


def report_task() -> Any:
    """Teardown task that writes the run's page after a published, staged or blocked run.

    The teardown must not decide the run's state: Airflow would then ignore the publication before
    it and mark a blocked run as a success.
    """

    @task(task_id="report")
    def report(**context: Any) -> str:
        return str(pkgutil.resolve_name(REPORT)(night_of(context), now=datetime.now(UTC)))

    return report().as_teardown()
