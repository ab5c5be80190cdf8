"""From tables to a model, a row and candidates, without Spark."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from feature_store.lake.arrow_io import read_table
from feature_store.lake.storage import open_storage
from feature_store.settings import Night
from feature_store.tables.runs import RUN_MODELS
from feature_store.tables.scores import SCORE_CANDIDATES, SCORE_EVALUATION
from tests.training import lake as sample
from training import train
from training.artifacts import model_registry, stored_models
from training.artifacts.model_registry import NoModelError
from training.artifacts.model_state import CheckpointError
from training.predict import load_model, predict
from training.tasks.candidate_rows import candidate_batches
from training.tasks.protocol import ScoringModel
from training.tasks.registry import get_task

FAMILY = "mm_gnn"


@pytest.fixture(autouse=True)
def no_mlflow(monkeypatch):
    """MLflow's database takes seconds to create; one test of its own looks at it."""
    monkeypatch.setattr(stored_models, "track", lambda *_: "not-tracked")


@pytest.fixture
def filled(night: Night) -> Night:
    sample.fill(night.settings.lake, night.as_of)
    return night


def candidates(night: Night):
    return read_table(night.settings.lake, SCORE_CANDIDATES, as_of=night.as_of)


def models(night: Night):
    return read_table(night.settings.lake, RUN_MODELS).to_pylist()


def test_a_night_trains_once_and_the_next_night_uses_the_same_model(filled):
    """The second training finds the first one's row; its evaluation stands in its own slice again."""
    first = train.train(filled, "ranking")
    again = train.train(filled, "ranking")

    assert again.model_version == first.model_version
    assert len(models(filled)) == 1
    rows = read_table(filled.settings.lake, SCORE_EVALUATION, as_of=filled.as_of).to_pylist()
    evaluated = {(row["subject"], row["split"]) for row in rows}
    assert evaluated == {
        (family, split)
        for family in (FAMILY, "popularity", "item_knn")
        for split in ("validation", "test")
    }
    assert {row["metric"] for row in rows} == {
        "recall_at_10", "ndcg_at_10", "mrr", "coverage", "novelty",
    }  # fmt: skip


def test_training_again_overwrites_the_checkpoint_with_equal_bytes(filled):
    """A killed run leaves files and no row; the next run must not differ from it in one byte."""
    storage = open_storage(filled.settings.lake)
    row = train.train(filled, "ranking")
    before = {file.path: storage.read(file.path) for file in storage.list(row.checkpoint_uri)}

    again = train.train(filled, "ranking", retrain="always")

    assert again.checkpoint_sha256 == row.checkpoint_sha256
    assert {
        file.path: storage.read(file.path) for file in storage.list(row.checkpoint_uri)
    } == before
    assert len(models(filled)) == 1


def test_every_listener_gets_ranked_available_tracks(filled):
    """13 listeners listened and u13 did not; t15 is withdrawn; ranks run from 1 with falling scores."""
    train.train(filled, "ranking")
    predict(filled, "ranking")

    rows = candidates(filled).to_pylist()
    assert {row["user_id"] for row in rows} == set(sample.USERS) - {"u13"}
    assert {row["track_id"] for row in rows} == set(sample.TRACKS) - {sample.WITHDRAWN}
    mine = [row for row in rows if row["user_id"] == "u04"]
    assert [row["rank"] for row in mine] == list(range(1, 16))
    assert [row["score"] for row in mine] == sorted((row["score"] for row in mine), reverse=True)


def test_a_row_of_a_track_without_lyrics_does_not_name_the_lyrics(filled):
    """t00 alone has no lyrics; every head gets weight here, because validation may take it from one."""
    row, task = train.train(filled, "ranking"), get_task("ranking")
    dataset = task.read(filled)
    view = task.full_view(dataset)
    model = load_model(filled, task, row, view)
    model.ensemble.weights.fill_(1)

    scoring = ScoringModel(row.family, row.model_version)
    [batch] = candidate_batches(filled, scoring, model, dataset, view.graph.listened.users.unique())

    heads_of = {track: set() for track in sample.TRACKS}
    for one in batch.to_pylist():
        heads_of[one["track_id"]] |= set(one["heads"])
    del heads_of[sample.WITHDRAWN]  # in no list
    names = set(model.head_names)
    assert "lyrics" in names
    assert heads_of.pop("t00") == names - {"lyrics", "tags"}
    assert all(heads == names - {"tags"} for heads in heads_of.values())


def test_another_seed_is_another_model(filled):
    filled = sample.competing(filled, "popularity")
    other = replace(
        filled, settings=filled.settings.model_copy(update={"seed": filled.settings.seed + 1})
    )

    assert (
        train.train(filled, "ranking").model_version
        != train.train(other, "ranking", retrain="always").model_version
    )


def test_a_model_from_the_future_or_too_old_is_not_used(filled):
    """Trained for 1 March: unknown to 28 February, known on 8 March, too old on 9 March."""
    train.train(sample.competing(filled, "popularity"), "ranking")

    def usable_on(days: int) -> bool:
        night = replace(filled, as_of=filled.as_of + timedelta(days=days))
        return model_registry.find_usable(night, "ranking", "popularity", {}) is not None

    assert [usable_on(days) for days in (-1, 0, 7, 8)] == [False, True, True, False]


def test_no_model_is_an_error_that_says_what_to_run(filled):
    with pytest.raises(NoModelError, match=r"training\.train ranking --as-of 2026-03-01"):
        train.train(filled, "ranking", retrain="never")


def test_a_changed_checkpoint_is_refused(filled):
    filled = sample.competing(filled, "popularity")
    row = train.train(filled, "ranking")
    open_storage(filled.settings.lake).write(f"{row.checkpoint_uri}/model.json", b"{}")

    with pytest.raises(CheckpointError, match="run_models says"):
        predict(filled, "ranking")


def test_two_days_of_listens_train_without_an_evaluation(night):
    """Nothing can be held out of two days: a model there is, evaluation rows there are none."""
    early = replace(night, as_of=sample.FIRST_DAY + timedelta(days=1))
    sample.fill(early.settings.lake, early.as_of)

    row = train.train(early, "ranking")

    assert row.trained_as_of_date == early.as_of
    assert read_table(early.settings.lake, SCORE_EVALUATION, as_of=early.as_of).num_rows == 0


def test_a_better_challenger_is_promoted_and_makes_the_lists_from_that_night_on(filled):
    """EASE knows the two tastes that popularity mixes up; the night before its promotion knows nothing of it."""
    night = sample.competing(filled, "popularity", "ease")

    row = train.train(night, "ranking")
    predict(night, "ranking")

    assert row.family == "ease"
    assert {one["family"] for one in candidates(night).to_pylist()} == {"ease"}
    assert [one["family"] for one in models(night)] == ["ease"]
    assert model_registry.champion_of(night, "ranking") == "ease"
    day_before = replace(night, as_of=night.as_of - timedelta(days=1))
    assert model_registry.champion_of(day_before, "ranking") == "popularity"
    assert train.train(night, "ranking") == row


def test_a_challenger_that_is_no_better_leaves_the_champion_and_its_figures_are_kept(filled):
    """The same two the other way round: popularity's interval is written and lies below zero."""
    night = sample.competing(filled, "ease", "popularity")

    row = train.train(night, "ranking")

    assert row.family == "ease"
    rows = read_table(night.settings.lake, SCORE_EVALUATION, as_of=night.as_of).to_pylist()
    ahead = {
        one["metric"]: one["value"]
        for one in rows
        if one["subject"] == "popularity" and "ahead" in one["metric"]
    }
    assert set(ahead) == {
        f"ndcg_at_10_ahead{segment}{end}"
        for segment in ("", ".no_follows")  # twelve of thirteen; the others are too few or everyone
        for end in ("", "_low", "_high")
    }
    assert ahead["ndcg_at_10_ahead_low"] <= ahead["ndcg_at_10_ahead"] <= ahead["ndcg_at_10_ahead_high"] < 0  # fmt: skip


def test_a_family_that_no_longer_competes_makes_no_lists(filled):
    """EASE was promoted, and then taken out of the settings."""
    train.train(sample.competing(filled, "popularity", "ease"), "ranking")

    assert (
        model_registry.champion_of(sample.competing(filled, "popularity"), "ranking")
        == "popularity"
    )


def test_who_else_competed_changes_no_byte_of_a_model(filled):
    """MM-GNN alone, and MM-GNN that popularity challenged: the same version, the same checkpoint."""
    alone = train.train(filled, "ranking")
    challenged = train.train(
        sample.competing(filled, FAMILY, "popularity"), "ranking", retrain="always"
    )

    assert challenged.model_version == alone.model_version
    assert challenged.checkpoint_sha256 == alone.checkpoint_sha256


def test_another_number_of_threads_is_another_model(filled):
    """Sums in another order have other last bits, and a version has one checkpoint."""
    more = filled.settings.training.model_copy(update={"n_threads": 1})
    other = replace(filled, settings=filled.settings.model_copy(update={"training": more}))

    versions = {
        train.train(night, "ranking", retrain="always").model_version for night in (filled, other)
    }

    assert len(versions) == 2
