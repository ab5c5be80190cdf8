"""Airflow tasks of the DAGs that people trigger.

Rollback, waiver, manual publication, withdrawal of a landing file, erasure.
"""

from __future__ import annotations

import pkgutil
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from dags.operators.assets import PUBLISHED_ASSETS
from dags.operators.run_context import current_settings

ROLLBACK = "feature_store.publishing.publish:rollback"
WAIVE = "feature_store.publishing.waivers:waive"
WITHDRAW = "jobs.landing.withdrawal:withdraw"
PUBLISH_STAGED_RUN = "feature_store.publishing.manual_publication:publish_staged_run"


def rollback_task() -> Any:
    """Task that makes an earlier published run current again and updates the published assets.

    A run that cannot be restored fails the task without retry: a later try would fail too.
    """

    @task(task_id="published_runs", pool="published_runs", outlets=PUBLISHED_ASSETS)
    def roll_back(**context: Any) -> None:
        from feature_store.publishing.publish import CurrentMoved

        try:
            _call_for_run(context, ROLLBACK)
        except (LookupError, CurrentMoved) as error:
            raise AirflowFailException(str(error)) from error

    return roll_back()


def waiving_task() -> Any:
    """Task that waives one population rule for the run; skipped when no rule is named.

    A rule that is absolute or does not stop the run fails the task without retry.
    """

    @task(task_id="run_waivers", pool="run_waivers")
    def waive(**context: Any) -> None:
        from feature_store.publishing.waivers import WaiverRefused

        rule = context["params"]["waived_rule"]
        if not rule:
            raise AirflowSkipException("no rule is waived")
        try:
            _call_for_run(context, WAIVE, rule)
        except WaiverRefused as error:
            raise AirflowFailException(str(error)) from error

    return waive()


def manual_publishing_task() -> Any:
    """Task that publishes a staged run and updates the published assets.

    A run that cannot be published fails the task without retry: a person must look at the cause.
    """

    @task(
        task_id="published_runs",
        pool="published_runs",
        outlets=PUBLISHED_ASSETS,
        trigger_rule="none_failed",
    )
    def publish(**context: Any) -> None:
        from feature_store.publishing.gates import GateFailed
        from feature_store.publishing.publish import CurrentMoved
        from feature_store.publishing.staged_slices import ReadBackMismatch

        try:
            _call_for_run(context, PUBLISH_STAGED_RUN)
        except (LookupError, GateFailed, CurrentMoved, ReadBackMismatch) as error:
            raise AirflowFailException(str(error)) from error

    return publish()


def withdrawing_task() -> Any:
    """Task that takes a landing file out of its day; returns the day and what is left to do.

    A file that cannot be withdrawn fails the task without retry: a later try would fail too.
    """

    @task(task_id="landing", pool="landing")
    def withdraw(**context: Any) -> str:
        from feature_store.lake.storage import open_storage

        try:
            day = pkgutil.resolve_name(WITHDRAW)(
                open_storage(current_settings().lake),
                context["params"]["path"],
                reason=context["params"]["reason"],
                actor=_actor(context),
                now=datetime.now(UTC),
            )
        except ValueError as error:  # LandingError; the storage's own errors are tried again
            raise AirflowFailException(str(error)) from error
        return f"{day}: withdrawn; backfill from this day if a night has read the file before"

    return withdraw()


def choosing_requests_task() -> Any:
    """Task that returns the ids of the requests to erase: the parameter's, or all that are pending.

    The later tasks of the run erase these together. Without a pending request the run is skipped.
    """

    @task(task_id="requests")
    def choose(**context: Any) -> list[str]:
        from feature_store.privacy.requests import pending_requests

        if chosen := context["params"]["request_id"]:
            return [chosen]
        unfinished = [request.request_id for request in pending_requests(current_settings())]
        if not unfinished:
            raise AirflowSkipException("no request is pending")
        return unfinished

    return choose()


def erasing_task(task_id: str, function: str, request_ids: Any) -> Any:
    """Task that runs one step of an erasure for some requests; it is never given a user id.

    An unknown request fails the task without retry.
    """

    @task(task_id=task_id, pool="erasure")
    def erase(request_ids: list[str]) -> Any:
        from feature_store.privacy.requests import UnknownRequest

        try:
            return pkgutil.resolve_name(function)(current_settings(), *request_ids)
        except UnknownRequest as error:
            raise AirflowFailException(str(error)) from error

    return erase(request_ids)


def announcing_erasure_task(event_number: Any) -> Any:
    """Task that updates the published assets after an erasure; skipped when none were rewritten.

    Each asset event says that an erasure made it, so that a team with copies erases there too. It
    names the event in published_runs and the run's parameter, never a person.
    """

    @task(task_id="announced", outlets=PUBLISHED_ASSETS)
    def announce(event_number: int | None, **context: Any) -> None:
        if event_number is None:
            raise AirflowSkipException("nothing is published: no reader saw the person")
        for asset in PUBLISHED_ASSETS:
            context["outlet_events"][asset].extra = {
                "action": "erase",
                "event_number": event_number,
                "request_id": context["params"]["request_id"],
            }

    return announce(event_number)


def _call_for_run(context: Any, function: str, *arguments: Any) -> None:
    """Call `function` for the run in the parameters; the actor is the triggering user."""
    params = context["params"]
    pkgutil.resolve_name(function)(
        current_settings().lake,
        params["run_id"],
        *arguments,
        actor=_actor(context),
        reason=params["reason"],
        now=datetime.now(UTC),
    )


def _actor(context: Any) -> str:
    return f"airflow:{context['dag_run'].triggering_user_name or 'unknown'}"
