"""One exam for every training task: those of the registry, and one of the tests that asks for more."""

from __future__ import annotations

import ast
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import torch

from feature_store.contract import Time
from feature_store.lake.arrow_io import read_table
from feature_store.privacy import requests
from feature_store.setting_groups import SplitSettings
from feature_store.settings import Night
from feature_store.tables.runs import RUN_METRICS, RUN_MODELS
from feature_store.tables.scores import SCORE_EVALUATION
from tests.training.datasets import CPU
from tests.training.engine.processes import in_two_processes
from tests.training.tasks import worlds
from training.artifacts import checkpoints, erasure, model_registry, stored_models
from training.config import load_recipe
from training.data.interactions import EPOCH
from training.engine.loop import deterministic
from training.engine.model_selection import Fitting, select_on_validation
from training.evaluation.splits import Split, night_cut
from training.predict import predict
from training.tasks.registry import TASKS, get_task
from training.train import train

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
ROOT = Path(__file__).parents[2]
OWN_FOLDERS = ("training/models/encoders/", "training/models/ranking/", "training/tasks/")
TASK_NAMES = [*TASKS, worlds.SENTENCES.name]
CHAMPIONS = {"audio_text": "htcl"}  # of which predictions are rows; others are the tasks' defaults
WITHOUT_PERSONS = {"audio_text", "text_emotion"}  # no row of its models belongs to a person
TOLERANCES = {"ranking": 0.02}  # of the chosen metric, by task
TOLERANCE = 0.05  # of the others: two processes add floats in another order, and stop elsewhere


registered = worlds.registered
pytestmark = pytest.mark.usefixtures("registered")


@pytest.fixture
def filled(night: Night) -> Night:
    """A night over all tasks' tables, on one thread."""
    return filled_night(night, night.settings.lake)


def filled_night(night: Night, lake: str, *, without: tuple[str, ...] = ()) -> Night:
    training = night.settings.training.model_copy(update={"n_threads": 1, "families": CHAMPIONS})
    settings = night.settings.model_copy(update={"lake": lake, "training": training})
    worlds.fill(lake, night.as_of, without=without)
    return replace(night, settings=settings)


def rows_of(night: Night, table: Any) -> list[dict[str, Any]]:
    return read_table(night.settings.lake, table, as_of=night.as_of).to_pylist()


def figure_of(leak: worlds.PlantedLeak) -> float:
    """The chosen metric on validation of a model that was fitted before it."""
    data = leak.data()
    dataset = getattr(data, "dataset", data)
    days = dataset.listens.day if hasattr(dataset, "listens") else getattr(data, "day", None)
    config, cut = SplitSettings(), None
    if days is not None:
        first_day = EPOCH.fromordinal(EPOCH.toordinal() + int(days.min()))
        cut = night_cut(first_day, dataset.as_of, config)
    with deterministic(seed=5, n_threads=1):
        generator = torch.Generator().manual_seed(5)
        split = leak.task.split(data, cut, config, generator)
        assert isinstance(split, Split)
        upstream = leak.upstream(data)
        fitting = Fitting(leak.task, data, CPU, before_cut=lambda _: upstream)
        recipe = load_recipe(leak.task.name, leak.family)
        selected = select_on_validation(fitting, split, recipe, seed=5)
    return selected.validation.result.values[leak.task.metric]


@pytest.mark.parametrize("name", worlds.LEAKS)
def test_nothing_of_what_is_held_out_reaches_a_fit(name):
    """The past says nothing of what comes: a model that knows the past alone is no better than chance."""
    leak = worlds.LEAKS[name]

    assert figure_of(leak) < leak.bound


@pytest.mark.parametrize("name", worlds.LEAKS)
def test_a_fit_that_sees_everything_is_found_out(name, monkeypatch):
    """The exam above can fail: with the full view in place of the train view the figure exceeds chance by far."""
    leak = worlds.LEAKS[name]
    task = type(leak.task)
    monkeypatch.setattr(task, "train_view", lambda self, data, _part: self.full_view(data))

    assert figure_of(leak) > leak.leak


@pytest.mark.parametrize("name", TASK_NAMES)
def test_equal_nights_give_equal_models_and_predictions(name, night, tmp_path):
    """Two lakes with the same tables: the same version, checkpoint and rows."""
    nights = [filled_night(night, str(tmp_path / lake)) for lake in ("one", "two")]

    rows = [train(each, name) for each in nights]
    written = [predict(each, name) for each in nights]

    assert len({row.model_version for row in rows}) == 1
    assert len({row.checkpoint_sha256 for row in rows}) == 1
    assert len({row.before_cut_sha256 for row in rows}) == 1
    assert rows[0].before_cut_sha256 not in {None, rows[0].checkpoint_sha256}
    hashes = [[one.content_sha256 for one in each] for each in written]
    assert hashes[0] == hashes[1]
    assert all(one.row_count > 0 for one in written[0])
    assert [one.table_name for one in written[0]] == [table.name for table in get_task(name).writes]


@pytest.mark.parametrize("name", TASK_NAMES)
def test_an_erased_person_leaves_no_trace(name, night, tmp_path):
    """Trained with the person, then erased: ids, shapes and rows are those of a world without the person.

    The erased model then predicts in that world, whose tables never held the person.
    """
    with_person = filled_night(night, str(tmp_path / "with"))
    without = filled_night(night, str(tmp_path / "without"), without=(worlds.PERSON,))
    train(with_person, name)
    expected_state = model_registry.read_state(without, train(without, name))
    expected = {table.name: keys_of(without, table) for table in predicted_tables(without, name)}
    request = requests.record_request(
        with_person.settings, worlds.PERSON, actor="officer", now=NOON
    )
    names_person = bool(files_naming(Path(with_person.settings.lake, "models")))
    assert names_person == (name not in WITHOUT_PERSONS)

    erasure.erase_models(with_person.settings, request.request_id)

    [row] = [row for row in model_registry.rows_of(with_person, name) if row.promoted_as_of_date]
    state = model_registry.read_state(with_person, row)
    before_cut = model_registry.read_state(with_person, row, before_cut=True)
    assert not files_naming(Path(with_person.settings.lake, "models"))
    for each in (state, before_cut):
        assert {kind: list(known.ids) for kind, known in each.ids.items()} == {
            kind: list(known.ids) for kind, known in expected_state.ids.items()
        }
        assert shapes(each) == shapes(expected_state)
    for folder in ("models", "tables/run_models"):
        shutil.rmtree(tmp_path / "without" / folder)
        shutil.copytree(tmp_path / "with" / folder, tmp_path / "without" / folder)
    assert {
        table.name: keys_of(without, table) for table in predicted_tables(without, name)
    } == expected
    assert all(keys for keys in expected.values())


def predicted_tables(night: Night, name: str) -> tuple[Any, ...]:
    predict(night, name)
    return get_task(name).writes


def keys_of(night: Night, table: Any) -> list[tuple[object, ...]]:
    """Keys of all rows, whichever model made them."""
    rows = rows_of(night, table)
    assert worlds.PERSON not in str(rows)
    key = [column for column in table.key if column != "model_version"]
    return sorted({tuple(row[column] for column in key) for row in rows}, key=str)


def shapes(state: Any) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in state.parameters.items()}


def files_naming(folder: Path) -> list[Path]:
    """Files that name the person."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert files
    return [file for file in files if f'"{worlds.PERSON}"'.encode() in file.read_bytes()]


def trained(rank: int, night: Night, name: str) -> str:
    worlds.register(night.settings.lake)
    stored_models.track = lambda *_: "not-tracked"
    return train(night, name).model_version


def predicted(rank: int, night: Night, name: str) -> list[tuple[str, int]]:
    worlds.register(night.settings.lake)
    return [(one.table_name, one.row_count) for one in predict(night, name)]


def chosen_metric(night: Night, name: str) -> float:
    task = get_task(name)
    [value] = [
        row["value"]
        for row in rows_of(night, SCORE_EVALUATION)
        if (row["training_task"], row["subject"], row["split"], row["metric"])
        == (name, task.default_family, "validation", task.metric)
    ]
    return value


@pytest.mark.parametrize("name", TASK_NAMES)
def test_two_processes_train_and_predict_as_one(name, night, tmp_path):
    """One model, of the same quality, which only rank 0 has written; and with one model the same rows."""
    one = filled_night(night, str(tmp_path / "one"))
    two = filled_night(night, str(tmp_path / "two"))
    model = train(one, name)

    for folder in ("training", "predicting"):  # each pair of processes meets in a folder
        (tmp_path / folder).mkdir()
    versions = in_two_processes(trained, tmp_path / "training", two, name)
    by_rank = in_two_processes(predicted, tmp_path / "predicting", one, name)
    by_both = {table.name: rows_of(one, table) for table in get_task(name).writes}

    assert versions[0] == versions[1] != model.model_version
    models = read_table(two.settings.lake, RUN_MODELS)["training_task"].to_pylist()
    assert name in models
    assert len(models) == len(set(models))
    metrics = read_table(two.settings.lake, RUN_METRICS)["task"].to_pylist()
    assert metrics == [f"score_evaluation.{name}"]
    tolerance = TOLERANCES.get(name, TOLERANCE)
    assert chosen_metric(two, name) == pytest.approx(chosen_metric(one, name), abs=tolerance)
    for table in get_task(name).writes:
        if table.time is Time.NONE:  # what is known there would not be predicted again
            shutil.rmtree(Path(one.settings.lake, "tables", table.name))
    alone = predict(one, name)
    assert by_rank == [[(each.table_name, each.row_count) for each in alone], []]
    for table in get_task(name).writes:
        assert_same_predictions(by_both[table.name], rows_of(one, table))


def assert_same_predictions(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """Equal rows; numbers that were computed in other batches agree to five decimals."""
    assert expected
    for one, other in zip(found, expected, strict=True):
        assert one.keys() == other.keys()
        for column, value in other.items():
            is_number = isinstance(value, float | list) and column != "heads"
            assert one[column] == (pytest.approx(value, abs=1e-5) if is_number else value)


def test_tasks_of_one_night_leave_each_other_s_rows_alone(filled):
    """Both train and predict; then each once more: what the other wrote stays as it was."""
    for name in TASK_NAMES:
        train(filled, name)
        predict(filled, name)
    before = {name: contents(filled, name) for name in TASK_NAMES}

    for name in TASK_NAMES:
        train(filled, name, retrain="always")
        predict(filled, name)

    assert {name: contents(filled, name) for name in TASK_NAMES} == before
    evaluated = {row["training_task"] for row in rows_of(filled, SCORE_EVALUATION)}
    assert evaluated == set(TASK_NAMES)


def contents(night: Night, name: str) -> dict[str, Any]:
    """What a task has in the lake: evaluations, models, files and predictions."""
    lake = night.settings.lake
    models = [
        row for row in read_table(lake, RUN_MODELS).to_pylist() if row["training_task"] == name
    ]
    found = {
        "models": [
            {key: row[key] for key in ("family", "model_version", "checkpoint_sha256")}
            for row in models
        ],
        "evaluation": [
            row for row in rows_of(night, SCORE_EVALUATION) if row["training_task"] == name
        ],
        "files": {
            str(file.relative_to(lake)): file.read_bytes()
            for file in Path(lake, "models", name).rglob("*")
            if file.is_file()
        },
        "predictions": {table.name: rows_of(night, table) for table in get_task(name).writes},
    }
    assert all(found.values())
    assert any(
        path.endswith(f"{checkpoints.BEFORE_CUT}/{checkpoints.MODEL}") for path in found["files"]
    )
    return found


def test_no_shared_file_names_a_task_or_a_family():
    """Registries, a task's own files, the DAG and the setting that lists tasks may; whoever else does knows too much."""
    worlds.unregister()
    names = {*TASKS, *(family for task in TASKS.values() for family in task.families)}
    found: dict[str, set[str]] = {}
    for package in ("dags", "feature_store", "jobs", "training"):
        for file in (ROOT / package).rglob("*.py"):
            path = file.relative_to(ROOT).as_posix()
            if not path.startswith(OWN_FOLDERS):
                strings = {
                    node.value
                    for node in ast.walk(ast.parse(file.read_text()))
                    if isinstance(node, ast.Constant) and isinstance(node.value, str)
                }
                found[path] = strings & names

    naming = {path for path, in_file in found.items() if in_file}
    assert naming == {
        "training/models/registry.py",
        "dags/nightly.py",
        "feature_store/setting_groups.py",
    }
