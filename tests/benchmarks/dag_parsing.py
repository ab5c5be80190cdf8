"""Benchmark: seconds that Airflow needs to parse each DAG file, after its own import.

    python -m tests.benchmarks.dag_parsing [--tries 5] [--record]

The DAG processor imports Airflow once and parses every file again and again, so a file costs only
the time after that import. Each try is a separate process; the benchmark takes the median.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from tests.benchmarks.support.record import Section, print_section

ROOT = Path(__file__).parents[2]
_MEASURED = """
import importlib, sys, time
import airflow.sdk.definitions.deadline, airflow.sdk.bases.operator, airflow.sdk.exceptions
from airflow.sdk import Asset, CronDataIntervalTimetable, Param, TaskGroup, dag, task
from airflow.providers.standard.decorators.python import python_task
started_at_s = time.perf_counter()
importlib.import_module(sys.argv[1])
print(time.perf_counter() - started_at_s)
"""


def dag_files() -> list[str]:
    """Return the modules that Airflow parses."""
    return [f"dags.{file.stem}" for file in sorted((ROOT / "dags").glob("[!_]*.py"))]


def seconds_of(module: str) -> float:
    """Measure one try in a new process."""
    output = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _MEASURED, module],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    ).stdout
    return float(output.splitlines()[-1])


def main(
    tries: Annotated[int, typer.Option(min=1)] = 5,
    *,
    record: Annotated[bool, typer.Option("--record")] = False,
) -> None:
    """Measure every DAG file."""
    medians = {
        module: statistics.median(seconds_of(module) for _ in range(tries))
        for module in dag_files()
    }
    rows = [[module, f"{elapsed_s:.3f}"] for module, elapsed_s in medians.items()]
    section = Section(
        title="Parsing of DAG files",
        command=f"python -m tests.benchmarks.dag_parsing --tries {tries} --record",
        day=datetime.now(UTC).date(),
        seeds=None,
        header=["DAG file", "seconds after Airflow's own import, median"],
        rows=rows,
    )
    print_section(section, record=record)
    figures = {f"parse_s_{module.rpartition('.')[2]}": s for module, s in medians.items()}
    print(json.dumps(figures))


if __name__ == "__main__":
    typer.run(main)
