"""One exam for every DAG: it wires, it explains itself, and nothing it waits for is missing."""

from __future__ import annotations

import ast
import importlib
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

DAGS = Path(__file__).parents[2] / "dags"
FILES = sorted(file.stem for file in DAGS.glob("[!_]*.py"))


@pytest.fixture(scope="session", autouse=True)
def airflow_home(tmp_path_factory):
    os.environ.setdefault("AIRFLOW_HOME", str(tmp_path_factory.mktemp("airflow")))


@pytest.fixture(params=FILES)
def dag(request):
    module = importlib.import_module(f"dags.{request.param}")
    made = [
        value
        for value in vars(module).values()
        if callable(value) and hasattr(value, "__wrapped__")
    ]
    [factory] = [value for value in made if value.__module__ == module.__name__]
    return factory()


def test_its_page_in_airflow_is_its_module_docstring(dag):
    assert dag.doc_md
    for heading in ("Reads", "Writes", "When late", "When red", "To re-run", "To backfill"):
        assert f"**{heading}" in dag.doc_md, heading


def test_it_has_tags_and_never_catches_up_by_itself(dag):
    assert "evensong" in dag.tags
    assert not dag.catchup
    assert dag.max_active_runs == 1


def test_every_task_has_an_owner_retries_and_a_limit(dag):
    for task in dag.tasks:
        assert task.owner == "evensong", task.task_id
        assert task.retries >= 1, task.task_id
        assert task.execution_timeout, task.task_id


def test_every_table_that_a_job_reads_is_written_before(dag):
    """The wiring covers each job's INPUTS.

    Except what earlier nights left (Before, Everything of itself).
    """
    from jobs.inputs import Landing, Published
    from jobs.registry import job_called, job_names

    written = {task.task_id for task in dag.tasks}
    for name in sorted(written & set(job_names())):
        job = job_called(name)
        upstream = dag.task_dict[name].get_flat_relative_ids(upstream=True)
        needed = {
            "landing" if isinstance(wanted, Landing) else wanted.table.name
            for wanted in job.inputs
            if not isinstance(wanted, Published)
        } - {name}
        needed.discard(
            "score_evaluation"
        )  # written by the training task, which is named after its family
        assert needed <= upstream, f"{name} does not wait for {sorted(needed - upstream)}"


def test_every_job_has_a_task():
    from dags.nightly import evensong_nightly
    from jobs.registry import job_names

    tasks = {task.task_id for task in evensong_nightly().tasks}

    assert set(job_names()) <= tasks


def test_every_function_named_by_string_exists():
    from dags.operators import spark_job, tasks, training_job

    named = [
        value
        for module in (spark_job, tasks, training_job)
        for name, value in vars(module).items()
        if name.isupper() and ":" in str(value)
    ]

    assert len(named) >= 6
    for name in named:
        assert callable(pkgutil.resolve_name(name)), name


def test_a_run_is_red_when_publication_fails_though_the_report_is_written():
    """The report is a teardown: it runs after a blocked publication and cannot turn the run green."""
    from dags.nightly import evensong_nightly

    dag = evensong_nightly()

    report = dag.task_dict["report"]
    assert report.is_teardown
    assert not report.on_failure_fail_dagrun  # Airflow would judge the run by the report alone
    assert "published_runs" in dag.task_dict["report"].upstream_task_ids
    leaves = {task.task_id for task in dag.tasks if not task.is_teardown and not (
        task.downstream_task_ids - {"report"})}  # fmt: skip
    assert leaves == {"announced"}  # which fails with published_runs, and is skipped when it stages


@pytest.mark.parametrize("name", FILES)
def test_its_file_only_wires(name):
    """No table, frame or service is touched when Airflow parses the file."""
    tree = ast.parse((DAGS / f"{name}.py").read_text())
    imported = {
        module
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for module in (
            [node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
        )
    }

    assert {module.split(".")[0] for module in imported} <= {"__future__", "airflow", "dags"}


@pytest.mark.parametrize("name", FILES)
def test_parsing_it_loads_nothing_but_airflow_and_wiring(name):
    said = subprocess.run(
        [sys.executable, "-c", f"import dags.{name}, sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=DAGS.parent,
    ).stdout.split()

    assert not {"pyspark", "torch", "pandas", "feature_store", "jobs", "training"} & set(said)
