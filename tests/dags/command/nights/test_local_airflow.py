"""Airflow's home of the command: database and logs are of their owner alone."""

from __future__ import annotations

import stat

from dags.command.nights.local_airflow import airflow_variables, prepare
from dags.command.server.child_processes import running_children


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_database_and_home_are_private_though_they_were_not(session_settings):
    home = session_settings.state / "airflow"
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o755)

    prepare(session_settings)

    assert (mode(home), mode(home / "airflow.db")) == (0o700, 0o600)


def test_airflow_writes_its_logs_for_their_owner_alone(settings):
    variables = airflow_variables(settings, settings.state / "server")

    assert variables["AIRFLOW__LOGGING__FILE_TASK_HANDLER_NEW_FILE_PERMISSIONS"] == "0o600"
    assert variables["AIRFLOW__LOGGING__FILE_TASK_HANDLER_NEW_FOLDER_PERMISSIONS"] == "0o700"
    assert mode(settings.state / "server") == 0o700


def test_logs_of_servers_are_private(tmp_path):
    log = tmp_path / "logs" / "child.log"

    with running_children({"child": ("this",)}, {"child": log}) as children:
        children["child"].wait()

    assert "beautiful" in log.read_text().lower()
    assert (mode(log.parent), mode(log)) == (0o700, 0o600)
