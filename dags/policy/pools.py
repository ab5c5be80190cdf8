"""Airflow pools: one slot for each table, so that tasks of two runs queue in Airflow.

Without pools a task of a second run (a backfill during a night) would wait for the table's lease
with its Spark session open.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

DEFAULT_POOL = "default_pool"


def create_pools() -> None:
    """Create every pool that our tasks name; Airflow never starts tasks of a missing pool."""
    from airflow.models.pool import Pool

    for name in sorted(pool_names(our_dags())):
        Pool.create_or_update_pool(
            name, slots=1, description="One writer at a time.", include_deferred=False
        )


def pool_names(dags: Iterable[Any]) -> set[str]:
    """Names of the pools of all tasks, without Airflow's default pool."""
    return {task.pool for dag in dags for task in dag.tasks} - {DEFAULT_POOL}


def our_dags() -> list[Any]:
    """Load every DAG that Airflow parses: the DAGs at the top level of the files in dags/."""
    from airflow.sdk import DAG

    folder = Path(__file__).parents[1]
    modules = [import_module(f"dags.{file.stem}") for file in sorted(folder.glob("[!_]*.py"))]
    return [
        value for module in modules for value in vars(module).values() if isinstance(value, DAG)
    ]
