"""One exam for every job.

Pure, in contract order, and at ease with a lake where nothing has happened.
"""

from __future__ import annotations

import ast
import importlib
import inspect

import pytest

from feature_store.lake.spark_io import _in_contract_order
from feature_store.settings import Night
from jobs.inputs import Landing, Published
from jobs.landing.manifests import FILE_SOURCES
from jobs.raw.steps.reading import READING_COLUMNS
from jobs.raw.steps.rules import ROW_SOURCES
from jobs.registry import job_called, job_names, module_of
from jobs.run import slice_of

every_job = pytest.mark.parametrize("name", job_names())

ACTIONS = {"write", "save", "saveAsTable", "collect", "toPandas", "count_rows", "cache", "persist",
           "toLocalIterator", "show", "checkpoint"}  # fmt: skip


@every_job
def test_its_file_is_named_after_its_table_and_says_what_it_is_for(name):
    module = importlib.import_module(module_of(name))

    assert module.OUTPUT.name == name
    assert module.__doc__
    assert module.__doc__.startswith(f"{name}: ")


@every_job
def test_what_it_reads_is_declared_before_what_it_writes(name):
    """So that whoever runs all jobs in the order of job_names() finds every input there.

    Not asked of what was published before, nor of the job's own table.
    """
    earlier = job_names()[: job_names().index(name)]
    read = {
        wanted.table.name
        for wanted in job_called(name).inputs
        if not isinstance(wanted, Landing | Published) and wanted.table.name in job_names()
    }

    assert read - {name} <= set(earlier)


@every_job
def test_build_neither_reads_nor_writes(name):
    """Whatever build() does is in the frame that it returns.

    No action of Spark is called in its file.
    """
    tree = ast.parse(inspect.getsource(importlib.import_module(module_of(name))))
    called = {
        node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }

    assert not called & ACTIONS


@every_job
def test_on_a_lake_where_nothing_has_happened_it_gives_its_columns_and_no_row(name, spark, night):
    job = job_called(name)
    frames = [_empty(spark, wanted) for wanted in job.inputs]

    built = job.build(*frames, night=night)

    assert built.columns == job.output.column_names
    assert _in_contract_order(built, job.output).collect() == []


@every_job
def test_a_first_night_and_a_re_run_compute_the_days_they_should(
    name, settings, monkeypatch, night
):
    """A first night takes every closed day; a re-run of an older date only that day."""
    from jobs import run
    from jobs.inputs import Slice

    job = job_called(name)
    monkeypatch.setattr(run, "first_closed_day", lambda _lake: night.as_of.replace(day=1))
    monkeypatch.setattr(run.spark_io, "newest_day", lambda _lake, _table: night.as_of)

    again = slice_of(job.output, Night(night.as_of, "again", settings))

    assert list(again) == [night.as_of]
    assert isinstance(again, Slice)


def _empty(spark, wanted):
    if not isinstance(wanted, Landing):
        return spark.createDataFrame([], wanted.table.spark_schema())
    if wanted.source in FILE_SOURCES:
        from feature_store.tables import table_called

        return spark.createDataFrame([], table_called(f"raw_{wanted.source}").spark_schema())
    columns = [*ROW_SOURCES[wanted.source].columns, *READING_COLUMNS]
    ddl = ", ".join(f"{column.name} {column.kind.sql}" for column in columns)
    return spark.createDataFrame(
        [], f"{ddl}, source_file STRING, source_row BIGINT, arrival_date DATE"
    )
