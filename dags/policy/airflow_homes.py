"""Folders below EVENSONG_STATE that serve as AIRFLOW_HOME."""

COMMAND_HOME, SERVER_HOME = AIRFLOW_HOMES = ("airflow", "server")
"""`evensong night` uses the first and `evensong up` the second: a scheduler that saw the run of a
command in its database would start the run's tasks a second time.
"""
