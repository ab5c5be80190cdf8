"""Airflow in this process.

Its home below EVENSONG_STATE, its database made on first use, one DAG run by dag.test().
"""

from __future__ import annotations

import logging
import os
import warnings
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dags.policy.schedule import NIGHTLY_BEGINS
from feature_store.lake.storage import sha256_of

if TYPE_CHECKING:
    from feature_store.settings import Settings

COMMAND_HOME, SERVER_HOME = HOMES = ("airflow", "server")
"""Folders of the state: Airflow of `evensong night` has one home, that of `evensong up` another."""

_MARKER = "database-is-ready"
_DATABASE = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"


class NightFailed(RuntimeError):
    """A task of the night failed; the message is its error's."""


def prepare(settings: Settings) -> None:
    """Point Airflow at its home and make its database.

    Must come before the first import of Airflow.
    """
    home = settings.state / COMMAND_HOME
    # Whatever database Airflow has for its servers: their scheduler would start our tasks again.
    os.environ |= airflow_variables(settings, home) | {_DATABASE: _own_database(home)}
    # The night's error is told once, at its end; --debug asks for Airflow's own pages as well.
    os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "CRITICAL")
    make_database(home)


def airflow_variables(settings: Settings, home: Path) -> dict[str, str]:
    """What every Airflow of ours is told: its home, our DAGs and no others, our two places.

    SQLite in its home, unless AIRFLOW__DATABASE__SQL_ALCHEMY_CONN names another database.
    """
    home.mkdir(parents=True, exist_ok=True)
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(Path(__file__).parents[1]),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": os.environ.get(_DATABASE, _own_database(home)),
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "EVENSONG_LAKE": settings.lake,
        "EVENSONG_STATE": str(settings.state),
    }


@dataclass(frozen=True, slots=True)
class FinishedNight:
    """A run that ended well: its id, and the path of its page in the lake."""

    run_id: str
    report: str


def run_night(as_of: date, conf: dict[str, str], listener: Any) -> FinishedNight:
    """Run evensong_nightly for one date in this process.

    Raises:
        NightFailed: a task failed; carries its message.
    """
    from airflow.sdk.listener import get_listener_manager

    from dags.nightly import evensong_nightly
    from dags.operators.tasks import run_id_of

    night = evensong_nightly()
    listener.expect(len(night.tasks))
    for task in night.tasks:
        # A person is watching: they see the error now, once, instead of after retries.
        task.retries = 0
        task.on_failure_callback = []
    # dag.test() looks deadlines up by the whole alert instead of its id (3.3.2); nobody waits here.
    night.deadline = []
    listeners = get_listener_manager()
    listeners.add_listener(listener)
    # Of a manual run Airflow takes the newest interval that has ended: the one that began on as_of.
    ended = datetime.combine(as_of + timedelta(days=1), NIGHTLY_BEGINS, UTC)
    try:
        run = night.test(logical_date=ended, run_conf=conf)
    finally:
        listeners.pm.unregister(listener)
    if run.state != "success" or listener.failure:
        raise NightFailed(listener.failure or f"evensong_nightly of {as_of} ended {run.state}")
    return FinishedNight(
        run_id=run_id_of(as_of.isoformat(), run.run_id),
        report=run.get_task_instance("report").xcom_pull("report"),
    )


def make_database(home: Path) -> None:
    """Make Airflow's database or migrate it to this Airflow, once; a file in `home` remembers."""
    warnings.filterwarnings("ignore", module="airflow")
    logging.disable(logging.WARNING)
    from airflow.configuration import conf
    from airflow.utils.db import initdb

    made = f"{version('apache-airflow')} {conf.get('database', 'sql_alchemy_conn')}"
    marker = home / _MARKER
    # A hash: the address may hold a password.
    if not marker.exists() or marker.read_text() != sha256_of(made.encode()):
        initdb()
        marker.write_text(sha256_of(made.encode()))


def _own_database(home: Path) -> str:
    return f"sqlite:///{home / 'airflow.db'}"
