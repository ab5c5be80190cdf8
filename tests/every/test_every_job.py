"""One exam for every job: a pure build, columns in contract order, and empty inputs."""

from __future__ import annotations

import ast
import importlib
import inspect

import pytest

from feature_store.lake.spark_io import _in_contract_order
from feature_store.settings import Night
from jobs.inputs import LandingSource, PublishedTable
from jobs.landing.layout import FILE_SOURCES
from jobs.raw.steps.landing_schema import FIRST_ARRIVAL_DATE, READING_COLUMNS
from jobs.raw.steps.rules import SOURCE_CONTRACTS
from jobs.registry import job_called, job_names, job_of_table, module_of
from jobs.run import _rows_of_each, days_to_compute

every_job = pytest.mark.parametrize("name", job_names())

ACTIONS = {"write", "save", "saveAsTable", "collect", "toPandas", "count_rows", "cache", "persist",
           "toLocalIterator", "show", "checkpoint"}  # fmt: skip


@every_job
def test_its_file_is_named_after_its_table_and_has_a_docstring(name):
    module = importlib.import_module(module_of(name))

    assert job_called(name).outputs[0].name == name
    assert module.__doc__
    assert module.__doc__.startswith(f"{name}: ")


@every_job
def test_its_inputs_are_declared_before_its_output(name):
    """All jobs can run in the order of job_names().

    Exempt are published tables, and the job's own output as an input.
    """
    earlier = set(job_names()[: job_names().index(name)])
    read = {
        job_of_table()[each.table.name]
        for each in job_called(name).inputs
        if not isinstance(each, LandingSource | PublishedTable)
        and each.table.name in job_of_table()
    }

    assert read - {name} <= earlier


@every_job
def test_its_outputs_are_sliced_alike_and_each_has_one_writer(name):
    """The runner computes one slice; feat_mel is written by feat_audio's job and no other."""
    outputs = job_called(name).outputs
    assert len({table.time for table in outputs}) == 1
    assert {table.name: job_of_table()[table.name] for table in outputs} == dict.fromkeys(
        [table.name for table in outputs], name
    )


@every_job
def test_build_neither_reads_nor_writes(name):
    """The job's file calls no Spark action: build() only returns a frame."""
    tree = ast.parse(inspect.getsource(importlib.import_module(module_of(name))))
    called = {
        node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }

    assert not called & ACTIONS


@every_job
def test_empty_inputs_give_its_columns_and_no_row(name, spark, night):
    job = job_called(name)
    frames = [_empty(spark, each) for each in job.inputs]

    built = job.build(*frames, night=night)

    with _rows_of_each(built, job.outputs) as rows:
        for table in job.outputs:
            assert rows[table].columns == table.column_names
            assert _in_contract_order(rows[table], table).collect() == []


@every_job
def test_a_re_run_computes_only_its_own_day(name, settings, monkeypatch, night):
    """A night whose day is written already computes that day, and no other."""
    from jobs import run
    from jobs.inputs import Slice

    job = job_called(name)
    monkeypatch.setattr(run, "first_closed_day", lambda _lake: night.as_of.replace(day=1))
    monkeypatch.setattr(run.spark_io, "processed_until", lambda _lake, _table: night.as_of)

    again = days_to_compute(job.outputs[0], Night(night.as_of, "again", settings))

    assert list(again) == [night.as_of]
    assert isinstance(again, Slice)


def _empty(spark, job_input):
    if not isinstance(job_input, LandingSource):
        return spark.createDataFrame([], job_input.table.spark_schema())
    if job_input.source in FILE_SOURCES:
        from feature_store.tables import table_called

        return spark.createDataFrame([], table_called(f"raw_{job_input.source}").spark_schema())
    contract = SOURCE_CONTRACTS[job_input.source]
    columns = [*contract.columns, *READING_COLUMNS, FIRST_ARRIVAL_DATE]
    ddl = ", ".join(f"{column.name} {column.kind.sql}" for column in columns)
    return spark.createDataFrame(
        [], f"{ddl}, source_file STRING, source_row BIGINT, arrival_date DATE"
    )
