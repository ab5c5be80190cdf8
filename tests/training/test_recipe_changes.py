"""A night that reuses a model says when the recipe has changed since the model was trained."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pkgutil import resolve_name

import pytest

from dags.command.cli import RECIPE_REMARKS
from tests.support.log_capture import captured_log
from tests.training import lake as sample
from training import config, train
from training.artifacts import stored_models
from training.recipe_changes import recipe_remarks


@pytest.fixture
def recipe_file(tmp_path, monkeypatch):
    """The recipe of ranking/bpr, which is only its defaults until the file is written."""
    monkeypatch.setattr(config, "CONFIGS", tmp_path)
    (tmp_path / "ranking").mkdir()
    return tmp_path / "ranking" / "bpr.toml"


@pytest.fixture
def trained(night, recipe_file, monkeypatch):
    """The night after one on which bpr was trained for an epoch, in vectors of 8."""
    monkeypatch.setattr(stored_models, "track", lambda *_: "not-tracked")
    sample.fill(night.settings.lake, night.as_of)
    recipe_file.write_text("[model]\ndim = 8\n[loop]\nmax_epochs = 1\n")
    with_bpr = sample.competing(night, "bpr")
    train.train(with_bpr, "ranking")
    next_night = replace(night, as_of=night.as_of + timedelta(days=1))
    sample.fill(night.settings.lake, next_night.as_of)
    return replace(with_bpr, as_of=next_night.as_of)


def warnings_of(monkeypatch, night, **options):
    log = captured_log(monkeypatch, "training.train.LOG")
    row = train.train(night, "ranking", **options)
    warnings = [entry for entry in log if entry["log_level"] == "warning"]
    return row, [entry for entry in warnings if entry["event"].startswith("the recipe")]


def test_an_unchanged_recipe_is_reused_without_a_word(trained, recipe_file, monkeypatch):
    """Another order of the file is no change."""
    recipe_file.write_text("[loop]\nmax_epochs = 1\n[model]\ndim = 8\n")

    row, warnings = warnings_of(monkeypatch, trained)

    assert row.trained_as_of_date < trained.as_of
    assert warnings == []
    assert recipe_remarks(trained) == []


def test_a_changed_recipe_is_told_with_its_values_until_a_training_takes_it(
    trained, recipe_file, monkeypatch
):
    """The model is a day old: the night reuses it, and --retrain always trains by the new recipe."""
    recipe_file.write_text("[model]\ndim = 4\n[loop]\nmax_epochs = 1\n")

    reused, [warning] = warnings_of(monkeypatch, trained)
    [remark] = recipe_remarks(trained)
    taken, warnings = warnings_of(monkeypatch, trained, retrain="always")

    assert reused.trained_as_of_date == trained.as_of - timedelta(days=1)
    assert warning["event"] == "the recipe has changed since the model was trained"
    assert (warning["family"], warning["version"]) == ("bpr", reused.model_version)
    assert warning["changed"] == ["model.dim = 8 in the model, 4 now"]
    assert "--retrain always" in warning["next_step"]
    assert remark == (
        f"ranking: bpr {reused.model_version} is reused, and its recipe has changed since it was "
        "trained on 2026-03-01 (model.dim = 8 in the model, 4 now); `--retrain always` takes it, or "
        "the first night that trains"
    )
    assert taken.trained_as_of_date == trained.as_of
    assert warnings == []
    assert recipe_remarks(trained) == []


@pytest.mark.parametrize("text", ["[model]\ndimm = 4\n", "dim 4"])
def test_a_broken_recipe_is_told_and_does_not_end_a_night_that_reuses_a_model(
    trained, recipe_file, monkeypatch, text
):
    recipe_file.write_text(text)

    row, [warning] = warnings_of(monkeypatch, trained)

    assert row.trained_as_of_date < trained.as_of
    assert warning["changed"][0].startswith("it cannot be read: ")


def test_families_that_are_better_on_the_test_are_named_in_the_log(trained, monkeypatch):
    """A night by the settings' family goes on with it; an epoch of bpr is behind item_knn by far."""
    log = captured_log(monkeypatch, "training.train.LOG")

    train.train(trained, "ranking", retrain="always")

    [warning] = [entry for entry in log if "better on the test" in entry["event"]]
    assert (warning["log_level"], warning["stored"]) == ("warning", "bpr")
    assert warning["less_by"]["item_knn"] > 0.1


def test_a_task_without_a_model_has_no_remark(night):
    sample.fill(night.settings.lake, night.as_of)

    assert recipe_remarks(night) == []


def test_the_command_finds_the_remarks_by_name():
    """`evensong night` prints them below its summary."""
    assert resolve_name(RECIPE_REMARKS) is recipe_remarks
