"""Erasure from models: the row and the id are gone in the lake and in MLflow; the model still scores."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import safetensors.torch
import torch

from feature_store.lake.arrow_io import read_table
from feature_store.lake.storage import open_storage
from feature_store.lake.stored_file import StorageError
from feature_store.privacy import requests
from feature_store.tables.runs import RUN_MODELS
from tests.training import lake as sample
from training import train
from training.artifacts import checkpoints, erasure
from training.predict import predict

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
ERASED = "u03"
FAMILY = "bpr"  # has a row for each listener, and is trained in no time


@pytest.fixture
def trained(night, monkeypatch):
    """A night with a model, in the lake and in MLflow, and its scores; u03 asked to be erased."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    night = sample.competing(night, FAMILY)
    sample.fill(night.settings.lake, night.as_of)
    train.train(night, "ranking")
    return night


def model_files(night):
    [row] = read_table(night.settings.lake, RUN_MODELS).to_pylist()
    storage = open_storage(night.settings.lake)
    return checkpoints.read(storage, row["checkpoint_uri"], row["checkpoint_sha256"])


def holding(folder, user_id):
    files = [file for file in Path(folder).rglob("*") if file.is_file()]
    return [file for file in files if f'"{user_id}"'.encode() in file.read_bytes()]


def test_only_the_person_s_row_is_removed_and_the_model_still_scores(trained):
    before = model_files(trained)
    request = requests.record_request(trained.settings, ERASED, actor="officer", now=NOON)
    artifacts = trained.settings.state / "mlflow_artifacts"
    assert holding(artifacts, ERASED)
    killed_fit = (
        trained.settings.state / "fits" / "ranking" / FAMILY / "version" / "selection-1.ranking.pt"
    )
    killed_fit.parent.mkdir(parents=True)
    killed_fit.write_bytes(b"rows of all listeners")

    erasure.erase_models(trained.settings, request.request_id)

    after = model_files(trained)
    assert set(before.ids["user"].ids) - set(after.ids["user"].ids) == {ERASED}
    row = list(before.ids["user"].ids).index(ERASED)
    for name, rows in before.parameters.items():
        if before.rows_of.get(name) == "user":
            assert after.parameters[name].shape[0] == rows.shape[0] - 1
            assert after.parameters[name][:row].equal(rows[:row])
            assert after.parameters[name][row:].equal(rows[row + 1 :])
        else:
            assert after.parameters[name].equal(rows)
    assert "user" in before.rows_of.values()
    assert holding(artifacts, ERASED) == []
    assert holding(Path(trained.settings.lake, "models"), ERASED) == []
    assert predict(trained, "ranking")[0].row_count > 0
    removed = requests.load_request(trained.settings, request.request_id).removed
    assert removed == {"models": 1, "mlflow": 1, "fits": 1}
    assert not killed_fit.exists()


def test_a_second_try_finds_nothing_left_to_do(trained):
    request = requests.record_request(trained.settings, ERASED, actor="officer", now=NOON)
    erasure.erase_models(trained.settings, request.request_id)
    hash_before = read_table(trained.settings.lake, RUN_MODELS)["checkpoint_sha256"].to_pylist()

    assert erasure.erase_models(trained.settings, request.request_id) == 0
    assert read_table(trained.settings.lake, RUN_MODELS)["checkpoint_sha256"].to_pylist() == hash_before  # fmt: skip


def test_a_checkpoint_that_cannot_be_opened_is_deleted_with_its_row(trained):
    """Its persons are unknown; the next night trains a new model."""
    [row] = read_table(trained.settings.lake, RUN_MODELS).to_pylist()
    open_storage(trained.settings.lake).write(f"{row['checkpoint_uri']}/model.json", b"not JSON")
    request = requests.record_request(trained.settings, ERASED, actor="officer", now=NOON)

    erasure.erase_models(trained.settings, request.request_id)

    assert list(open_storage(trained.settings.lake).list("models")) == []
    assert read_table(trained.settings.lake, RUN_MODELS).num_rows == 0
    assert train.train(trained, "ranking").model_version


def test_an_erasure_killed_between_a_checkpoints_files_removes_no_other_row(trained):
    request = requests.record_request(trained.settings, ERASED, actor="officer", now=NOON)
    before = model_files(trained)
    [row] = read_table(trained.settings.lake, RUN_MODELS).to_pylist()
    file = Path(trained.settings.lake, row["checkpoint_uri"], checkpoints.PARAMETERS)
    row = list(before.ids["user"].ids).index(ERASED)
    without = {
        name: torch.cat([rows[:row], rows[row + 1 :]])
        if before.rows_of.get(name) == "user"
        else rows
        for name, rows in before.parameters.items()
    }
    file.write_bytes(safetensors.torch.save(without))

    erasure.erase_models(trained.settings, request.request_id)

    after = model_files(trained)
    assert {name: rows.tolist() for name, rows in after.parameters.items()} == {
        name: rows.tolist() for name, rows in without.items()
    }
    assert ERASED not in after.ids["user"].ids


def test_a_store_that_fails_deletes_no_model(trained):
    request = requests.record_request(trained.settings, ERASED, actor="officer", now=NOON)
    [row] = read_table(trained.settings.lake, RUN_MODELS).to_pylist()
    file = Path(trained.settings.lake, row["checkpoint_uri"], checkpoints.PARAMETERS)
    kept = file.read_bytes()
    file.unlink()
    file.mkdir()  # it is there and cannot be read

    with pytest.raises(StorageError):
        erasure.erase_models(trained.settings, request.request_id)

    file.rmdir()
    file.write_bytes(kept)
    assert model_files(trained)


def test_several_people_go_in_one_rewrite_and_each_request_counts_its_own(trained):
    """Nobody of that name is in the model, so that request counts no model."""
    ids = [requests.record_request(trained.settings, one, actor="officer", now=NOON).request_id for one in (ERASED, "u05", "unknown")]  # fmt: skip
    before = model_files(trained)

    assert erasure.erase_models(trained.settings, *ids) == 1

    after = model_files(trained)
    assert set(before.ids["user"].ids) - set(after.ids["user"].ids) == {ERASED, "u05"}
    kept = [row for row, one in enumerate(before.ids["user"].ids) if one not in {ERASED, "u05"}]
    for name, rows in before.parameters.items():
        of_users = before.rows_of.get(name) == "user"
        assert after.parameters[name].equal(rows[kept] if of_users else rows)
    counts = [requests.load_request(trained.settings, one).removed for one in ids]
    assert [one.get("models", 0) for one in counts] == [1, 1, 0]


def test_a_removal_that_was_killed_is_ended_before_another_persons(trained, monkeypatch):
    """The parameters had lost u03 when the process died; u05's erasure must not take that for its own."""
    [row] = read_table(trained.settings.lake, RUN_MODELS).to_pylist()
    storage, folder = open_storage(trained.settings.lake), row["checkpoint_uri"]
    before = model_files(trained)
    write = type(storage).write

    def killed(self, path, content):
        if path.endswith("model.json") and b"dropping_rows" not in content:
            raise KeyboardInterrupt
        write(self, path, content)

    with monkeypatch.context() as patched:
        patched.setattr(type(storage), "write", killed)
        with pytest.raises(KeyboardInterrupt):
            checkpoints.drop_ids(storage, folder, "user", {ERASED})
    request = requests.record_request(trained.settings, "u05", actor="officer", now=NOON)

    erasure.erase_models(trained.settings, request.request_id)

    after = model_files(trained)
    kept = [row for row, one in enumerate(before.ids["user"].ids) if one not in {ERASED, "u05"}]
    assert list(after.ids["user"].ids) == [before.ids["user"].ids[row] for row in kept]
    for name, rows in before.parameters.items():
        if before.rows_of.get(name) == "user":
            assert after.parameters[name].equal(rows[kept])
