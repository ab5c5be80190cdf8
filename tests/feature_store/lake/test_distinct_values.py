"""Distinct values of a slice come from the Delta log, or from the files when the log cannot tell."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from deltalake import ColumnProperties, WriterProperties, write_deltalake

from feature_store.contract import ContractError
from feature_store.lake.arrow_io import append, write_slice
from feature_store.lake.delta_tables import ensure_table, open_table
from feature_store.lake.distinct_values import distinct_values
from feature_store.tables.features import FEAT_HTCL_AUDIO
from feature_store.tables.runs import RUN_MODELS
from feature_store.tables.scores import SCORE_CANDIDATES

MARCH_1, MARCH_2 = date(2026, 3, 1), date(2026, 3, 2)
COLUMNS = ["family", "model_version"]
NO_STATISTICS = WriterProperties(
    default_column_properties=ColumnProperties(statistics_enabled="NONE")
)


def candidates(*models, day=MARCH_1):
    """A candidate of each (family, model version), each of another listener."""
    rows = [
        {
            "as_of_date": day,
            "user_id": f"user-{number}",
            "rank": 1,
            "track_id": "t",
            "score": 0.5,
            "heads": ["graph"],
            "family": family,
            "model_version": model_version,
            "run_id": "r",
        }
        for number, (family, model_version) in enumerate(models)
    ]
    return pa.Table.from_pylist(rows, schema=SCORE_CANDIDATES.arrow_schema)


def append_file(lake, rows, **options):
    write_deltalake(ensure_table(lake, SCORE_CANDIDATES), rows, mode="append", **options)


def found(lake, day=MARCH_1):
    return distinct_values(lake, SCORE_CANDIDATES, day, COLUMNS)


def delete_data_files(lake):
    """From now on a read of a data file fails."""
    for file in open_table(lake, SCORE_CANDIDATES).file_uris():
        Path(file).unlink()


def statistics_of_file(lake):
    """What the Delta log tells about the only data file."""
    files = open_table(lake, SCORE_CANDIDATES).get_add_actions(flatten=True)
    [file] = pl.DataFrame(files).to_dicts()
    return file


def test_without_a_day_all_slices_count(tmp_path):
    """By the log alone, and of a table without slices too."""
    lake = str(tmp_path)
    for day, model in ((MARCH_1, ("a", "1")), (MARCH_2, ("b", "2"))):
        write_slice(lake, SCORE_CANDIDATES, candidates(model, day=day), as_of=day)
    for version in ("1", "2"):
        row = {"content_hash": "h", "family": "a", "model_version": version, "audio_vector": [0.5]}
        append(lake, FEAT_HTCL_AUDIO, pa.Table.from_pylist([row], FEAT_HTCL_AUDIO.arrow_schema))
    delete_data_files(lake)

    assert found(lake, None) == {("a", "1"), ("b", "2")}
    assert distinct_values(lake, FEAT_HTCL_AUDIO, None, COLUMNS) == {("a", "1"), ("a", "2")}


def test_files_of_one_model_each_are_not_opened(tmp_path):
    lake = str(tmp_path)
    append_file(lake, candidates(("bpr", "v1"), ("bpr", "v1")))
    append_file(lake, candidates(("sasrec", "v2")))
    append_file(lake, candidates(("bpr", "v0"), day=MARCH_2))
    delete_data_files(lake)

    assert found(lake) == {("bpr", "v1"), ("sasrec", "v2")}
    assert found(lake, MARCH_2) == {("bpr", "v0")}


def test_a_file_of_two_models_is_read(tmp_path):
    """The statistics alone would allow four models."""
    lake = str(tmp_path)
    append_file(lake, candidates(("bpr", "v1"), ("sasrec", "v2"), ("bpr", "v1")))
    append_file(lake, candidates(("bpr", "v0")))
    append_file(lake, candidates(("bpr", "v9"), day=MARCH_2))

    assert found(lake) == {("bpr", "v1"), ("sasrec", "v2"), ("bpr", "v0")}

    delete_data_files(lake)
    with pytest.raises(FileNotFoundError):
        found(lake)


def test_a_file_without_statistics_is_read(tmp_path):
    lake = str(tmp_path)
    append_file(lake, candidates(("bpr", "v1")), writer_properties=NO_STATISTICS)
    assert statistics_of_file(lake).get("min.family") is None

    assert found(lake) == {("bpr", "v1")}


def test_cut_statistics_of_long_strings_do_not_count(tmp_path):
    """Both versions begin with the same 32 characters, to which a writer may cut both bounds."""
    lake, prefix = str(tmp_path), 32 * "x"
    append_file(lake, candidates(("bpr", f"{prefix}1"), ("bpr", f"{prefix}2")))
    cut_statistics(lake, "model_version", prefix)

    assert found(lake) == {("bpr", f"{prefix}1"), ("bpr", f"{prefix}2")}


def cut_statistics(lake, column, bound):
    """Set both bounds of a column in the newest commit."""
    log = Path(lake, "tables", SCORE_CANDIDATES.name, "_delta_log")
    commit = max(log.glob("*.json"))
    actions = [json.loads(line) for line in commit.read_text().splitlines()]
    for action in actions:
        if "add" in action:
            statistics = json.loads(action["add"]["stats"])
            statistics["minValues"][column] = statistics["maxValues"][column] = bound
            action["add"]["stats"] = json.dumps(statistics)
    commit.write_text("\n".join(json.dumps(action) for action in actions))
    file = statistics_of_file(lake)
    assert file[f"min.{column}"] == file[f"max.{column}"] == bound


def test_a_replaced_slice_has_the_values_of_its_new_rows_only(tmp_path):
    lake = str(tmp_path)
    write_slice(lake, SCORE_CANDIDATES, candidates(("bpr", "v1")), as_of=MARCH_1)
    write_slice(lake, SCORE_CANDIDATES, candidates(("bpr", "v2")), as_of=MARCH_1)

    assert found(lake) == {("bpr", "v2")}
    assert found(lake, MARCH_2) == set()


def test_a_table_without_slices_and_an_unknown_column_are_refused(tmp_path):
    with pytest.raises(ContractError, match="run_models is not sliced by as_of_date"):
        distinct_values(str(tmp_path), RUN_MODELS, MARCH_1, ["family"])
    with pytest.raises(ContractError, match="score_candidates has no column 'tempo'"):
        distinct_values(str(tmp_path), SCORE_CANDIDATES, MARCH_1, ["tempo"])
