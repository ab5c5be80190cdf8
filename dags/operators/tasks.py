"""How a task of a DAG runs: by the name of a function, as of the run's data interval.

DAG files name jobs by string and load neither Spark nor Torch, and not even our settings: Airflow
parses them again and again. What a task needs is imported when it runs.
"""

from __future__ import annotations

import hashlib
import pkgutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from dags.operators.spark_job import SparkJob
from dags.operators.training_job import TrainingJob

if TYPE_CHECKING:
    from feature_store.settings import Night, Settings

CLOSE_LANDING = "jobs.landing.closing:close_landing"
SCORE = "training.predict:score"
PUBLISH = "jobs.publishing.publication:publish_night"
REPORT = "jobs.report.report:write_report"

ROLLBACK = "feature_store.publishing.publish:rollback"
WAIVE = "feature_store.publishing.waivers:waive"
PUBLISH_BY_HAND = "feature_store.publishing.manual_publication:publish_by_hand"
EXPIRE_LANDING = "jobs.landing.expiry:expire_landing"
EXPIRE_SLICES = "feature_store.runs.maintenance:expire_slices"
COMPACT_FILES = "feature_store.runs.maintenance:compact_files"
VACUUM_FILES = "feature_store.runs.maintenance:vacuum_files"

_LONGEST_BACKFILL_DAYS = 32

ANNOUNCED = [
    Asset(name, group="evensong") for name in ("rec_topk", "rec_similar_tracks", "rec_changes")
]
"""Other teams' DAGs wait for these; a run that only stages, or is blocked, leaves them alone."""


def spark_job(table_name: str) -> Any:
    """The task that writes one table; its id is the table's name."""
    return SparkJob(table_name=table_name)


def landing_task() -> Any:
    """The task that closes the landing days up to as_of."""

    @task(task_id="landing", pool="landing")
    def close(**context: Any) -> None:
        pkgutil.resolve_name(CLOSE_LANDING)(night_of(context))

    return close()


def training_task(task_id: str) -> Any:
    """The task that trains a model, or finds a young one.

    Its id is the main ranker's name, whoever of the settings' families holds its place.
    """
    return TrainingJob(task_id=task_id, pool=task_id)


def scoring_task(table_name: str) -> Any:
    """The task that scores everybody with the promoted model."""

    @task(task_id=table_name, pool=table_name)
    def score(**context: Any) -> None:
        pkgutil.resolve_name(SCORE)(night_of(context))

    return score()


def publishing_task() -> Any:
    """The task that audits what was staged and makes it current.

    Red without retry when a gate fails.
    """

    @task(task_id="published_runs", pool="published_runs")
    def publish(**context: Any) -> str:
        from feature_store.privacy.suppression import ErasedMeanwhile
        from feature_store.publishing.gates import GateFailed
        from feature_store.publishing.publish import CurrentMoved

        try:
            event = pkgutil.resolve_name(PUBLISH)(
                night_of(context),
                mode=_mode_of(context),
                actor=f"airflow:{context['dag'].dag_id}",
                now=datetime.now(UTC),
            )
        except (GateFailed, CurrentMoved, ErasedMeanwhile) as error:
            # The same rows would fail again; and a person must see what moved before another try.
            raise AirflowFailException(str(error)) from error
        return str(event.action)

    return publish()


def announcing_task(action: Any) -> Any:
    """The task that tells whoever waits for the rec_ assets; skipped unless `action` is publish."""

    @task(task_id="announced", outlets=ANNOUNCED)
    def announce(action: str) -> None:
        if action != "publish":
            raise AirflowSkipException(f"the run ended with {action}: readers see what they saw")

    return announce(action)


def rollback_task() -> Any:
    """The task that makes an earlier published run current again; readers of its assets are told.

    Red without retry: a run that cannot be restored cannot be restored a minute later either.
    """

    @task(task_id="published_runs", pool="published_runs", outlets=ANNOUNCED)
    def restore(**context: Any) -> None:
        from feature_store.publishing.publish import CurrentMoved

        try:
            _act(context, ROLLBACK)
        except (LookupError, CurrentMoved) as error:
            raise AirflowFailException(str(error)) from error

    return restore()


def waiving_task() -> Any:
    """The task that lets one population rule through; skipped when no rule is named.

    Red without retry when the rule is absolute, or does not stop the run.
    """

    @task(task_id="run_waivers", pool="run_waivers")
    def let_through(**context: Any) -> None:
        from feature_store.publishing.waivers import WaiverRefused

        rule = context["params"]["waived_rule"]
        if not rule:
            raise AirflowSkipException("no rule is waived")
        try:
            _act(context, WAIVE, rule)
        except WaiverRefused as error:
            raise AirflowFailException(str(error)) from error

    return let_through()


def hand_publishing_task() -> Any:
    """The task that shows readers what a run staged; readers of its assets are told.

    Red without retry: what stops it is for a person to look at.
    """

    @task(
        task_id="published_runs",
        pool="published_runs",
        outlets=ANNOUNCED,
        trigger_rule="none_failed",
    )
    def show(**context: Any) -> None:
        from feature_store.publishing.gates import GateFailed
        from feature_store.publishing.publish import CurrentMoved, ReadBackMismatch

        try:
            _act(context, PUBLISH_BY_HAND)
        except (LookupError, GateFailed, CurrentMoved, ReadBackMismatch) as error:
            raise AirflowFailException(str(error)) from error

    return show()


def maintenance_task(step: str) -> Any:
    """The task that does one step of the maintenance over all tables; its id is the function's."""

    @task(task_id=step.rpartition(":")[2])
    def maintain() -> None:
        pkgutil.resolve_name(step)(_settings(), datetime.now(UTC))

    return maintain()


def report_task() -> Any:
    """The task that writes the run's page, whether it was published, staged or blocked.

    A teardown: it runs after a blocked publication too. It must not decide the run's state: Airflow
    would then look at it instead of at the publication before it, and call a blocked run a success.
    """

    @task(task_id="report")
    def report(**context: Any) -> str:
        return str(pkgutil.resolve_name(REPORT)(night_of(context), now=datetime.now(UTC)))

    return report().as_teardown()


def _mode_of(context: Any) -> str:
    """What readers get: of a backfill with make_current only its last date switches them.

    Airflow queues a backfill's runs together, and has one backfill of a DAG at a time; while one of
    a later date waits or runs, this one is not the last. When runs go beside each other the last
    one may be faster: whoever began before readers went to a later day does not take them back. Nor
    does a run that was cleared, as the later ones have had their turn. (A backfill that runs
    backwards begins with its last date, and switches there.)
    """
    mode = str(context["params"]["publish"])
    run = context["dag_run"]
    if mode != "make_current" or run.run_type != "backfill":
        return mode
    if run.clear_number:
        return "auto"
    later = [run.run_after + timedelta(days=days) for days in range(1, _LONGEST_BACKFILL_DAYS)]
    waiting = context["ti"].get_dr_count(
        run.dag_id,
        run_ids=[f"backfill__{day.isoformat()}" for day in later],
        states=["queued", "running"],
    )
    return "stage_only" if waiting or _have_moved_on(night_of(context), run.start_date) else mode


def _have_moved_on(night: Night, since: datetime) -> bool:
    """Whether readers were taken to a later day than the night's since then."""
    from feature_store.publishing.snapshot import current_event, events

    current = current_event(events(night.settings.lake))
    return current is not None and current.as_of > night.as_of and current.recorded_at_utc >= since


def _act(context: Any, function: str, *more: Any) -> None:
    """Do to the run that was asked for what a person does by hand, in the name of who pressed."""
    params = context["params"]
    pkgutil.resolve_name(function)(
        _settings().lake,
        params["run_id"],
        *more,
        actor=f"airflow:{context['dag_run'].triggering_user_name or 'unknown'}",
        reason=params["reason"],
        now=datetime.now(UTC),
    )


def erasing_task(task_id: str, function: str) -> Any:
    """A task of an erasure. It gets the request's id; whom it is about no task and no log learns.

    Red without retry when there is no such request.
    """

    @task(task_id=task_id, pool="erasure")
    def erase(**context: Any) -> None:
        from feature_store.privacy.requests import UnknownRequest

        try:
            pkgutil.resolve_name(function)(_settings(), context["params"]["request_id"])
        except UnknownRequest as error:
            raise AirflowFailException(str(error)) from error

    return erase()


def night_of(context: Any) -> Night:
    """The night that an Airflow task instance belongs to.

    Raises:
        AirflowFailException: the run was triggered without a date.
    """
    from feature_store.settings import Night

    if context.get("data_interval_start") is None:
        raise AirflowFailException(
            f"{context['run_id']}: a night needs a date: trigger it with a logical date, or run a "
            "backfill of that date"
        )
    as_of = context["data_interval_start"].date()
    return Night(as_of, run_id_of(as_of.isoformat(), context["run_id"]), _settings())


def _settings() -> Settings:
    """Read when a task runs, not when its file is parsed."""
    from feature_store.settings import load_settings

    return load_settings()


def run_id_of(as_of: str, dag_run_id: str) -> str:
    """Short and the same for every try of a run: the day, and a hash of Airflow's id."""
    return f"{as_of}-{hashlib.sha256(dag_run_id.encode()).hexdigest()[:8]}"
