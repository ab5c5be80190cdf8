"""One exam for every table: Delta enforces the rules of its contract."""

from __future__ import annotations

import pytest

from feature_store.contract import Kind, Time
from feature_store.lake.delta_tables import ensure_table
from feature_store.tables import PUBLISHED_TABLES, TABLES
from jobs.registry import job_of_table

WRITTEN_ELSEWHERE = {
    "feat_text_emotion": "training/predict.py",
    "feat_lyrics_emotion": "training/predict.py",
    "feat_htcl_audio": "training/predict.py",
    "feat_htcl_text": "training/predict.py",
    "feat_htcl_fused": "training/predict.py",
    "feat_track_htcl": "training/predict.py",
    "score_candidates": "training/predict.py",
    "score_mood": "training/predict.py",
    "score_evaluation": "training/train.py",
    "run_metrics": "feature_store/runs/run_log.py",
    "run_models": "training/artifacts/model_registry.py",
    "run_erasures": "jobs/privacy/evidence.py",
    "published_runs": "feature_store/publishing/publish.py",
    "run_promotions": "feature_store/runs/promotions.py",
    "run_waivers": "feature_store/publishing/waivers.py",
}

UNIT_OF_SUFFIX = {
    "_ms": "ms",
    "_s": "s",
    "_hz": "Hz",
    "_db": "dB",
    "_bpm": "bpm",
    "_ratio": "0..1",
}

every_table = pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)


@every_table
def test_delta_enforces_the_contracts_rules(table, tmp_path):
    """NOT NULL and CHECK belong to the Delta table, so no writer can bypass them."""
    made = ensure_table(str(tmp_path), table)

    nullable = {field.name: field.nullable for field in made.schema().fields}
    constraints = {
        key.removeprefix("delta.constraints.")
        for key in made.metadata().configuration
        if key.startswith("delta.constraints.")
    }
    assert nullable == {column.name: column.is_nullable for column in table.columns}
    assert constraints == table.checks.keys()


@every_table
def test_any_delta_reader_can_read_it(table, tmp_path):
    """Without reader features, DuckDB, Polars, pandas and Spark read the same files."""
    protocol = ensure_table(str(tmp_path), table).protocol()

    assert protocol.min_reader_version == 1
    assert not protocol.reader_features


@every_table
def test_creating_it_twice_changes_nothing(table, tmp_path):
    first = ensure_table(str(tmp_path), table).version()

    assert ensure_table(str(tmp_path), table).version() == first


@every_table
def test_every_column_has_a_meaning_and_its_unit(table):
    for column in table.columns:
        assert column.meaning.endswith("."), column.name
        for suffix, unit in UNIT_OF_SUFFIX.items():
            if column.name.endswith(suffix):
                assert column.unit == unit, f"{column.name} is in {column.unit!r}, not {unit!r}"


@every_table
def test_utc_columns_are_timestamps_and_date_columns_dates(table):
    for column in table.columns:
        if column.name.endswith("_utc"):
            assert column.kind is Kind.TIMESTAMP, column.name
        if column.name.endswith("_date"):
            assert column.kind is Kind.DATE, column.name


@every_table
def test_exactly_one_writer_is_declared(table):
    assert (table.name in job_of_table()) != (table.name in WRITTEN_ELSEWHERE)


@pytest.mark.parametrize("table", PUBLISHED_TABLES, ids=lambda table: table.name)
def test_a_published_row_has_its_run_and_day(table):
    assert {"as_of_date", "run_id"} <= set(table.column_names)
    assert table.time is Time.AS_OF


@pytest.mark.parametrize("table", PUBLISHED_TABLES, ids=lambda table: table.name)
def test_no_dense_index_is_published(table):
    assert not [name for name in table.column_names if name.endswith("_index")]
