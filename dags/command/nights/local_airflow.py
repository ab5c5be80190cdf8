"""Run the nightly DAG in this process by Airflow's dag.test().

Airflow has its home below EVENSONG_STATE and creates its database on first use.
"""

from __future__ import annotations

import logging
import os
import warnings
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dags.policy.airflow_homes import COMMAND_HOME
from dags.policy.schedule import NIGHTLY_START_UTC
from feature_store.lake.private_files import (
    OWNER_ONLY,
    OWNER_ONLY_FOLDER,
    close_folder,
    make_private,
)
from feature_store.lake.storage import sha256_of

if TYPE_CHECKING:
    from feature_store.settings import Settings

_MARKER = "database-is-ready"
_FILE = "airflow.db"
_DATABASE = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"


class NightFailed(RuntimeError):
    """A task of the night failed; the message is that of the task's error."""


def prepare(settings: Settings) -> None:
    """Point Airflow at its home and create its database; call it before Airflow's first import."""
    home = settings.state / COMMAND_HOME
    # Never the database of the servers: their scheduler would start our tasks a second time.
    os.environ |= airflow_variables(settings, home) | {_DATABASE: _sqlite_url(home)}
    # The command prints the night's error once at the end; with --debug the level is ERROR.
    os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "CRITICAL")
    migrate_database(home)


def airflow_variables(settings: Settings, home: Path) -> dict[str, str]:
    """Return the variables of an Airflow of ours: home, DAGs, database, lake and state.

    The database is SQLite in the home unless AIRFLOW__DATABASE__SQL_ALCHEMY_CONN names another.
    """
    close_folder(home)
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(Path(__file__).parents[2]),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": os.environ.get(_DATABASE, _sqlite_url(home)),
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        # A library's error may quote rows of people.
        "AIRFLOW__LOGGING__FILE_TASK_HANDLER_NEW_FILE_PERMISSIONS": f"{OWNER_ONLY:#o}",
        "AIRFLOW__LOGGING__FILE_TASK_HANDLER_NEW_FOLDER_PERMISSIONS": f"{OWNER_ONLY_FOLDER:#o}",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "EVENSONG_LAKE": settings.lake,
        "EVENSONG_STATE": str(settings.state),
    }


@dataclass(frozen=True, slots=True)
class FinishedNight:
    """A successful run: its id and the path of its report in the lake."""

    run_id: str
    report: str


def run_night(as_of: date, conf: dict[str, str], progress: Any) -> FinishedNight:
    """Run evensong_nightly for one date in this process.

    Args:
        as_of: last day that the night covers.
        conf: parameters of the DAG run.
        progress: an Airflow listener with expect() and failure, such as NightProgress.

    Raises:
        NightFailed: a task failed; carries its message. Or the day can have no night.
    """
    from airflow.sdk.listener import get_listener_manager

    from dags.nightly import evensong_nightly
    from dags.operators.run_context import run_id_of
    from dags.policy.defaults import START_DATE

    if as_of < START_DATE.date():
        raise NightFailed(
            f"night of {as_of}: no day before {START_DATE.date()} has a night; nothing was "
            "written; give the day that the night covers"
        )

    night = evensong_nightly()
    progress.expect(len(night.tasks))
    for task in night.tasks:
        # A person is watching: the first error ends the night instead of waiting for retries.
        task.retries = 0
        task.on_failure_callback = []
        if not task.is_teardown:  # a failed night has its page too
            task._pre_execute_hook = partial(_check_going, progress)  # noqa: SLF001  an argument of operators only
    # dag.test() looks deadlines up by the whole alert instead of its id (Airflow 3.3.2).
    night.deadline = []
    listeners = get_listener_manager()
    listeners.add_listener(progress)
    # Airflow gives a manual run the newest interval that has ended: the one that began on as_of.
    interval_end = datetime.combine(as_of + timedelta(days=1), NIGHTLY_START_UTC, UTC)
    try:
        run = night.test(logical_date=interval_end, run_conf=conf)
    finally:
        listeners.pm.unregister(progress)
    if run.state != "success" or progress.failure:
        raise NightFailed(progress.failure or f"evensong_nightly of {as_of} ended {run.state}")
    return FinishedNight(
        run_id=run_id_of(as_of.isoformat(), run.run_id),
        report=run.get_task_instance("report").xcom_pull("report"),
    )


def _check_going(progress: Any, _: Any) -> None:
    """Skip a task once another has failed: every task leads to the publication, which cannot run.

    Airflow itself would still run all tasks that do not wait for the failed one.
    """
    from airflow.sdk.exceptions import AirflowSkipException

    if progress.failure:
        raise AirflowSkipException("the night has failed")


def migrate_database(home: Path) -> None:
    """Create or migrate Airflow's database once for each Airflow version and database URL.

    A marker file in `home` records the version and URL of the last migration.
    """
    warnings.filterwarnings("ignore", module="airflow")
    logging.disable(logging.WARNING)
    from airflow.configuration import conf
    from airflow.utils.db import initdb

    url = conf.get("database", "sql_alchemy_conn")
    if url == _sqlite_url(home):
        make_private(home / _FILE)
    target = f"{version('apache-airflow')} {url}"
    marker = home / _MARKER
    # The marker holds a hash, because the URL may hold a password.
    if not marker.exists() or marker.read_text() != sha256_of(target.encode()):
        initdb()
        marker.write_text(sha256_of(target.encode()))


def _sqlite_url(home: Path) -> str:
    return f"sqlite:///{home / _FILE}"
