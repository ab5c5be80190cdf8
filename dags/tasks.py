"""How a task of a DAG runs: by the name of a function, as of the run's data interval.

DAG files name jobs by string and load neither Spark nor Torch; a function is looked up when its
task runs.
"""

from __future__ import annotations

import hashlib
import pkgutil
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import task
from airflow.sdk.exceptions import AirflowFailException

from feature_store.erasures import UnknownRequest
from feature_store.gates import GateFailed
from feature_store.settings import Night, load_settings

RUN_JOB = "jobs.run:run_job"
CLOSE_LANDING = "jobs.ingest:close_landing"
TRAIN = "training.train:train"
SCORE = "training.score:score"
PUBLISH = "jobs.publication:publish_night"
REPORT = "jobs.report.report:write_report"


def spark_job(table_name: str) -> Any:
    """The task that writes one table; its id is the table's name."""

    @task(task_id=table_name)
    def write(**context: Any) -> None:
        pkgutil.resolve_name(RUN_JOB)(table_name, night_of(context))

    return write()


def landing_task() -> Any:
    """The task that closes the landing days up to as_of."""

    @task(task_id="landing")
    def close(**context: Any) -> None:
        pkgutil.resolve_name(CLOSE_LANDING)(night_of(context))

    return close()


def training_task(family: str) -> Any:
    """The task that trains a model, or finds a young one; its id is the family's name."""

    @task(task_id=family)
    def train(**context: Any) -> None:
        pkgutil.resolve_name(TRAIN)(
            night_of(context), family=family, retrain=context["params"]["retrain"]
        )

    return train()


def scoring_task(table_name: str) -> Any:
    """The task that scores everybody with the promoted model."""

    @task(task_id=table_name)
    def score(**context: Any) -> None:
        pkgutil.resolve_name(SCORE)(night_of(context))

    return score()


def publishing_task() -> Any:
    """The task that audits what was staged and makes it current.

    Red without retry when a gate fails.
    """

    @task(task_id="published_runs")
    def publish(**context: Any) -> None:
        try:
            pkgutil.resolve_name(PUBLISH)(
                night_of(context),
                mode=context["params"]["publish"],
                actor=f"airflow:{context['dag'].dag_id}",
                now=datetime.now(UTC),
            )
        except GateFailed as error:
            # The same rows would fail the same gate again: no retry.
            raise AirflowFailException(str(error)) from error

    return publish()


def report_task() -> Any:
    """The task that writes the run's page, whether it was published, staged or blocked.

    A teardown: it runs after a blocked publication too. It must not decide the run's state: Airflow
    would then look at it instead of at the publication before it, and call a blocked run a success.
    """

    @task(task_id="report")
    def report(**context: Any) -> str:
        return str(pkgutil.resolve_name(REPORT)(night_of(context), now=datetime.now(UTC)))

    return report().as_teardown()


def erasing_task(task_id: str, function: str) -> Any:
    """A task of an erasure. It gets the request's id; whom it is about no task and no log learns.

    Red without retry when there is no such request.
    """

    @task(task_id=task_id)
    def erase(**context: Any) -> None:
        try:
            pkgutil.resolve_name(function)(load_settings(), context["params"]["request_id"])
        except UnknownRequest as error:
            raise AirflowFailException(str(error)) from error

    return erase()


def night_of(context: Any) -> Night:
    """The night that an Airflow task instance belongs to."""
    as_of = context["data_interval_start"].date()
    return Night(as_of, run_id_of(as_of.isoformat(), context["run_id"]), load_settings())


def run_id_of(as_of: str, dag_run_id: str) -> str:
    """Short and the same for every try of a run: the day, and a hash of Airflow's id."""
    return f"{as_of}-{hashlib.sha256(dag_run_id.encode()).hexdigest()[:8]}"
