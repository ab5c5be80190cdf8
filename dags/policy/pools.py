"""Pools: in front of each table's lease one slot, so that a task waits in Airflow and not in Spark.

Two runs at a time, a night and a backfill, write the same tables one after the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

DEFAULT_POOL = "default_pool"


def make_pools() -> None:
    """Make every pool that a task of ours names; Airflow would never start its tasks otherwise."""
    from airflow.models.pool import Pool

    for name in sorted(pool_names(our_dags())):
        Pool.create_or_update_pool(
            name, slots=1, description="One writer at a time.", include_deferred=False
        )


def pool_names(among: Iterable[Any]) -> set[str]:
    """The pools that the DAGs' tasks wait in, Airflow's own left out."""
    return {task.pool for dag in among for task in dag.tasks} - {DEFAULT_POOL}


def our_dags() -> list[Any]:
    """Every DAG that Airflow parses: the top of dags/ holds DAG files and nothing else."""
    folder = Path(__file__).parents[1]
    names = [file.stem for file in sorted(folder.glob("[!_]*.py"))]
    return [getattr(import_module(f"dags.{name}"), f"evensong_{name}")() for name in names]
