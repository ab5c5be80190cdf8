"""Models that learn from other models and from features: versions, copies before the cut, changes, age."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import MutableMapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch

from feature_store.contract import Time
from feature_store.lake.arrow_io import exists, read_table, replace_rows, write_slice
from feature_store.runs.promotions import decide
from feature_store.setting_groups import SplitSettings
from feature_store.settings import Night
from feature_store.tables import TABLES
from feature_store.tables.core import CORE_DAILY_LISTENS
from feature_store.tables.features import FEAT_AUDIO, FEAT_ENCODERS, FEAT_TAGS
from feature_store.tables.runs import RUN_MODELS
from feature_store.tables.scores import SCORE_CANDIDATES, SCORE_EVALUATION
from tests.support.log_capture import captured_log
from tests.training import lake as sample
from tests.training.tasks import worlds
from tests.training.tasks.sentences import CORE_SENTENCES, NEEDED, SCORE_SENTENCES, Adapter
from training.artifacts import model_registry, upstream
from training.artifacts.model_registry import ModelRow, NoModelError
from training.evaluation.splits import night_cut
from training.predict import predict
from training.tasks.registry import UnknownFamilyError
from training.train import train

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MOOD = worlds.SENTENCES.name


registered = worlds.registered
pytestmark = pytest.mark.usefixtures("registered")


@pytest.fixture
def filled(night: Night) -> Night:
    """Ranking is made by popularity, which is solved; what sentences need is trained as a component."""
    worlds.fill(night.settings.lake, night.as_of)
    return sample.competing(night, "popularity")


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[MutableMapping[str, Any]]:
    """What a training logs, also in a process where Airflow has set the level of all loggers."""
    return captured_log(monkeypatch, "training.train.LOG")


def later(night: Night, days: int) -> Night:
    """The night some days later, over the same rows of every table."""
    as_of = night.as_of + timedelta(days=days)
    lake = night.settings.lake
    for table in list(TABLES.values()):
        is_input = table.layer in {"core", "feat", "graph"}
        if not is_input or table.time is not Time.AS_OF or not exists(lake, table):
            continue
        rows = read_table(lake, table, as_of=night.as_of).to_pylist()
        moved = [row | {"as_of_date": as_of} for row in rows]
        write_slice(lake, table, pa.Table.from_pylist(moved, table.arrow_schema), as_of=as_of)
    return replace(night, as_of=as_of)


def models(night: Night) -> list[dict[str, Any]]:
    return read_table(night.settings.lake, RUN_MODELS).to_pylist()


def moods(night: Night) -> dict[str, float]:
    rows = read_table(night.settings.lake, SCORE_SENTENCES, as_of=night.as_of).to_pylist()
    return {row["sentence_id"]: row["mood"] for row in rows}


def test_what_a_model_needs_is_trained_and_stored_though_it_won_nothing(filled):
    """The component is not promoted, so popularity still makes the lists; the row names its version."""
    train(filled, "ranking")
    row = train(filled, MOOD)

    component = component_of(filled)
    assert component.model_role == "component"
    assert component.promoted_as_of_date is None
    assert row.upstream_versions == (f"{NEEDED}={component.model_version}",)
    assert model_registry.champion_of(filled, "ranking") == "popularity"
    predict(filled, "ranking")
    rows = read_table(filled.settings.lake, SCORE_CANDIDATES, as_of=filled.as_of).to_pylist()
    assert {row["family"] for row in rows} == {"popularity"}


def test_the_checkpoint_holds_a_hundredth_of_the_parameters_and_names_the_backbone(filled):
    row = train(filled, MOOD)

    state = model_registry.read_state(filled, row)
    stored = sum(value.numel() for value in state.parameters.values())
    assert 0 < stored < 0.01 * 2_000 * 64
    assert not any(name.startswith("backbone") for name in state.parameters)
    assert set(state.backbones) == {"words"}


def test_each_stage_has_a_history_of_its_own_and_each_epoch_a_line_in_the_log(filled, monkeypatch):
    logged = captured_log(monkeypatch, "training.engine.epoch_log.LOG")
    row = train(filled, MOOD)

    history = json.loads(Path(filled.settings.lake, row.checkpoint_uri, "history.json").read_text())
    assert set(history) == {"selection.meaning", "selection.mood", "final.meaning", "final.mood"}
    losses = {purpose: set(fit["epochs"][0]["losses"]) for purpose, fit in history.items()}
    assert losses["selection.meaning"] == {"contrast"}
    assert losses["selection.mood"] == {"mood"}
    epochs = [line for line in logged if line["event"] == "epoch" and " mood" in line["fit"]]
    of_mood = {stage: len(fit["epochs"]) for stage, fit in history.items() if ".mood" in stage}
    assert Counter(line["fit"].split()[1].partition("-")[0] + ".mood" for line in epochs) == of_mood
    assert all(line["losses"].keys() == {"mood"} for line in epochs)


def test_evaluations_read_the_copy_before_the_cut_and_the_final_fit_the_other_one(
    filled, monkeypatch
):
    """Listeners' last two weeks are in the final vectors of tracks and not in those that evaluations see."""
    seen: list[torch.Tensor] = []
    made = Adapter.__init__

    def watched(self: Any, config: Any, view: Any, needed: Any) -> None:
        seen.append(needed.parameters["tracks"])
        made(self, config, view, needed)

    monkeypatch.setattr(Adapter, "__init__", watched)
    train(filled, MOOD)

    component = component_of(filled)
    final = model_registry.read_state(filled, component).parameters["tracks"]
    before = model_registry.read_state(filled, component, before_cut=True).parameters["tracks"]
    assert not torch.equal(final, before)
    selection, refit, test = seen
    assert torch.equal(selection, before)
    assert torch.equal(test, before)
    assert torch.equal(refit, final)
    # 20 days, a fifth of them is 4: the test is 26 February to 1 March, validation from the 22nd on.
    assert component.held_out_from_date == date(2026, 2, 22)
    assert component.fitted_until_date == filled.as_of


def test_a_component_that_has_learned_from_days_after_the_cut_is_trained_anew(filled):
    """Its copy knows the 22nd, on which tonight's validation begins."""
    train(sample.competing(filled, NEEDED.family), NEEDED.task)
    known = component_of(filled)
    cut = night_cut(sample.FIRST_DAY, filled.as_of, SplitSettings())
    assert cut is not None
    assert cut.validation.start == known.held_out_from_date

    later_cut = replace(known, held_out_from_date=date(2026, 2, 23))

    assert upstream.is_before_cut(known, cut, filled)
    assert not upstream.is_before_cut(later_cut, cut, filled)


def test_what_was_held_out_at_random_serves_one_night_alone(filled):
    """Another night draws other pairs, so its evaluations would see what the copy has learned."""
    train(sample.competing(filled, NEEDED.family), NEEDED.task)
    at_random = replace(component_of(filled), held_out_from_date=None)
    next_day = replace(filled, as_of=filled.as_of + timedelta(days=1))

    assert upstream.is_before_cut(at_random, None, filled)
    assert not upstream.is_before_cut(at_random, None, next_day)


def test_a_component_leaves_the_metrics_of_its_task_as_they_are(filled):
    """Ranking's rows of the day describe popularity and item-kNN, before and after."""
    train(filled, "ranking")
    before = read_table(filled.settings.lake, SCORE_EVALUATION, as_of=filled.as_of).to_pylist()

    train(filled, MOOD)

    after = read_table(filled.settings.lake, SCORE_EVALUATION, as_of=filled.as_of).to_pylist()
    assert [row for row in after if row["training_task"] == "ranking"] == before
    assert {row["subject"] for row in before} == {"popularity", "item_knn"}
    assert component_of(filled).model_role == "component"


def test_what_a_person_has_not_promoted_teaches_no_other_model(filled):
    """A candidate of the needed family is there; the sentences' model learns from a component of its own."""
    candidate = train(filled, NEEDED.task, family=NEEDED.family)
    assert candidate.model_role == "candidate"
    add_listen(filled)

    train(filled, MOOD)

    rows = model_registry.rows_of(filled, NEEDED.task)
    assert {row.model_role for row in rows if row.family == NEEDED.family} == {
        "candidate",
        "component",
    }


def test_a_model_whose_upstream_has_gone_is_trained_anew(filled):
    """An erasure deletes a checkpoint that it cannot open, with its row."""
    first = train(filled, MOOD)
    component = component_of(filled)
    lake = filled.settings.lake
    rows = [row for row in models(filled) if row["model_version"] != component.model_version]
    replace_rows(lake, RUN_MODELS, pa.Table.from_pylist(rows, RUN_MODELS.arrow_schema))

    again = train(filled, MOOD)

    assert component_of(filled).model_version == component.model_version
    assert again.model_version == first.model_version
    assert all(one.row_count > 0 for one in predict(filled, MOOD))


def test_a_task_whose_upstream_has_no_data_says_so(night):
    """Sentences are there, and nobody has listened to anything: what they need cannot be learned."""
    everyone = tuple(user for user in sample.USERS[:-1] if user != "u00")
    worlds.fill(night.settings.lake, night.as_of)
    lake = str(Path(night.settings.lake).parent / "silent")
    silent = replace(night, settings=night.settings.model_copy(update={"lake": lake}))
    sample.fill(lake, night.as_of, without=(*everyone, "u00"))
    rows = [row | {"as_of_date": night.as_of} for row in worlds.sentence_rows(night.as_of)]
    write_slice(
        lake,
        CORE_SENTENCES,
        pa.Table.from_pylist(rows, CORE_SENTENCES.arrow_schema),
        as_of=night.as_of,
    )

    row = train(silent, MOOD)

    assert row.model_role == "none"
    assert "ranking/light_gcn, which it needs, has no model: no listener" in str(row.no_data_reason)


def test_a_kept_model_of_a_world_without_data_is_no_error(night):
    """Retrain = never before anything arrived: a row of role none, and not a red night."""
    sample.fill(night.settings.lake, night.as_of)
    write_no_sentence(night)

    assert train(night, MOOD, retrain="never").no_data_reason == "there is no sentence"
    sample_rows = worlds.sentence_rows(night.as_of)
    table = pa.Table.from_pylist(sample_rows, CORE_SENTENCES.arrow_schema)
    write_slice(night.settings.lake, CORE_SENTENCES, table, as_of=night.as_of)
    with pytest.raises(NoModelError):
        train(night, MOOD, retrain="never")


def test_what_learns_from_a_model_that_held_nothing_out_is_not_evaluated(filled):
    """Five days: ranking holds nothing out, and sentences have no honest metric either."""
    early = replace(filled, as_of=sample.FIRST_DAY + timedelta(days=4))
    lake = str(Path(filled.settings.lake).parent / "early")
    early = replace(early, settings=early.settings.model_copy(update={"lake": lake}))
    worlds.fill(lake, early.as_of)

    row = train(early, MOOD)

    assert component_of(early).before_cut_sha256 is None
    assert row.before_cut_sha256 is None
    evaluated = read_table(lake, SCORE_EVALUATION, as_of=early.as_of).to_pylist()
    assert evaluated == []
    assert all(one.row_count > 0 for one in predict(early, MOOD))


def test_a_retrained_upstream_retrains_what_learned_from_it_in_the_same_night(filled):
    """The next day another component is there, so the young model of sentences is not used."""
    first = train(filled, MOOD)
    next_day = later(filled, 1)
    add_listen(next_day)
    train(sample.competing(next_day, NEEDED.family), NEEDED.task)

    second = train(next_day, MOOD)

    assert second.model_version != first.model_version
    assert second.upstream_versions != first.upstream_versions
    predict(next_day, MOOD)
    rows = read_table(next_day.settings.lake, SCORE_SENTENCES, as_of=next_day.as_of).to_pylist()
    assert {row["model_version"] for row in rows} == {second.model_version}


def test_a_model_that_is_kept_scores_with_the_versions_that_it_learned_from(filled):
    """Retrain = never after the upstream was trained again: no error, and the old vectors give the old moods."""
    train(filled, MOOD)
    predict(filled, MOOD)
    next_day = later(filled, 1)
    add_listen(next_day)
    train(sample.competing(next_day, NEEDED.family), NEEDED.task)

    kept = train(next_day, MOOD, retrain="never")
    predict(next_day, MOOD)

    assert kept.trained_as_of_date == filled.as_of
    assert moods(next_day) == moods(filled)
    assert moods(next_day)


def add_listen(night: Night) -> None:
    """One more listen on the night's day, so that the ranking models' inputs have changed."""
    listen = sample._listens(night.as_of)[0] | {
        "as_of_date": night.as_of, "listened_date": night.as_of, "known_from_date": night.as_of,
    }  # fmt: skip
    sample._write(night.settings.lake, CORE_DAILY_LISTENS, night.as_of, [listen])


def test_unchanged_inputs_renew_the_row_of_an_old_model_without_fitting(filled, monkeypatch):
    """Eight days later, where seven are allowed: the same version and file, checked on that day; its age counts anew."""
    first = train(filled, "ranking")
    after_8_days = later(filled, 8)

    renewed = train(after_8_days, "ranking")

    assert renewed.model_version == first.model_version
    assert (renewed.trained_as_of_date, renewed.checked_as_of_date) == (
        filled.as_of,
        after_8_days.as_of,
    )
    assert len(models(filled)) == 2
    after_15_days = replace(filled, as_of=filled.as_of + timedelta(days=15))
    found = model_registry.find_usable(after_15_days, "ranking", "popularity", {})
    assert found is not None
    assert found.checked_as_of_date == after_8_days.as_of
    day_7 = replace(filled, as_of=filled.as_of + timedelta(days=7))
    known = model_registry.find_usable(day_7, "ranking", "popularity", {})
    assert known is not None
    assert known.checked_as_of_date == filled.as_of  # a backfill knows nothing of the later check


def test_changed_inputs_train_an_old_model_anew(filled):
    first = train(filled, "ranking")
    after_8_days = later(filled, 8)
    add_listen(after_8_days)

    again = train(after_8_days, "ranking")

    assert again.model_version != first.model_version
    assert again.trained_as_of_date == after_8_days.as_of


def test_another_challenger_is_tested_though_the_data_are_unchanged(filled):
    """The next day, where a model must be of the day; EASE tells the two tastes that popularity mixes up."""
    train(filled, "ranking")
    night = sample.competing(later(filled, 1), "popularity", "ease")
    training = night.settings.training.model_copy(update={"max_model_age_days": 0})
    night = replace(night, settings=night.settings.model_copy(update={"training": training}))

    found = train(night, "ranking")

    assert found.family == "ease"


def test_a_changed_encoder_trains_a_young_model_anew(night):
    """The next day another encoder's rows count for audio: the model of yesterday is not used."""
    sample.fill(night.settings.lake, night.as_of)
    first = train(night, "ranking")
    next_day = with_other_audio(night)

    second = train(next_day, "ranking")

    assert second.model_version != first.model_version
    [audio] = [one for one in second.upstream_versions if one.startswith("feat_audio=")]
    assert audio == "feat_audio=other/w/p"
    assert all(row.row_count for row in predict(next_day, "ranking"))


def test_a_kept_model_reads_the_rows_of_the_encoder_that_it_learned_from(night):
    """Retrain = never on that day: yesterday's vectors are still there, and give a list for everyone."""
    sample.fill(night.settings.lake, night.as_of)
    first = train(night, "ranking")
    predict(night, "ranking")
    next_day = with_other_audio(night)

    kept = train(next_day, "ranking", retrain="never")
    predict(next_day, "ranking")

    assert kept.model_version == first.model_version
    before, after = (
        read_table(one.settings.lake, SCORE_CANDIDATES, as_of=one.as_of).to_pylist()
        for one in (night, next_day)
    )
    assert [(row["user_id"], row["track_id"], row["heads"]) for row in after] == [
        (row["user_id"], row["track_id"], row["heads"]) for row in before
    ]
    assert any("audio" in row["heads"] for row in after)


def with_other_audio(night: Night) -> Night:
    """The next day, on which vectors of another width by another encoder count for audio."""
    next_day = later(night, 1)
    lake = night.settings.lake
    encoded = {table: table.name for table in (*sample.EMBEDDINGS, FEAT_TAGS)}
    sample.name_encoders(lake, next_day.as_of, encoded | {FEAT_AUDIO: "other"})
    rows = [
        sample.vector(FEAT_AUDIO, "audio_embedding", number, 7) | {"encoder_id": "other"}
        for number in range(len(sample.TRACKS))
    ]
    sample._write(lake, FEAT_AUDIO, next_day.as_of, rows)
    assert read_table(lake, FEAT_ENCODERS, as_of=next_day.as_of).num_rows == len(encoded)
    return next_day


def write_no_sentence(night: Night) -> None:
    nothing = CORE_SENTENCES.arrow_schema.empty_table()
    write_slice(night.settings.lake, CORE_SENTENCES, nothing, as_of=night.as_of)


def test_a_task_without_data_says_so_and_the_night_goes_on(night):
    """No sentence: a row of role none with the reason, empty predictions, and no model."""
    sample.fill(night.settings.lake, night.as_of)
    write_no_sentence(night)

    row = train(night, MOOD)
    written = predict(night, MOOD)

    assert (row.model_role, row.no_data_reason) == ("none", "there is no sentence")
    assert not row.has_model
    assert [one.row_count for one in written] == [0, 0]
    assert [one["training_task"] for one in models(night)] == [MOOD]


def test_a_family_trained_by_hand_without_data_is_named_in_the_row(night):
    """The champion is not what was asked for."""
    sample.fill(night.settings.lake, night.as_of, without=tuple(sample.USERS))

    row = train(night, "ranking", family="ease")

    assert (row.model_role, row.family) == ("none", "ease")


def test_a_family_is_not_trained_by_hand_under_a_policy_or_a_name_that_it_lacks(filled):
    with pytest.raises(ValueError, match="retrain: never does not go with a family"):
        train(filled, "ranking", family="ease", retrain="never")
    for function in (train, predict):
        with pytest.raises(
            UnknownFamilyError, match="task ranking has no family 'eas'; registered"
        ):
            function(filled, "ranking", family="eas")
    assert not exists(filled.settings.lake, RUN_MODELS) or not models(filled)


def test_a_family_trained_by_hand_waits_for_a_person(filled, logged):
    """EASE is compared with the champion and stored; from the day of its promotion it makes the lists."""
    train(filled, "ranking")
    logged.clear()
    candidate = train(filled, "ranking", family="ease")
    [begin] = [line for line in logged if line["event"] == "training"]
    assert (begin["fits"], begin["role"]) == (["popularity", "ease"], "candidate")
    assert (candidate.family, candidate.model_role) == ("ease", "candidate")
    assert model_registry.champion_of(filled, "ranking") == "popularity"
    promoted_on = filled.as_of + timedelta(days=1)

    decide(
        filled.settings.lake, candidate.model_version, "promote",
        as_of=promoted_on, actor="ada", reason="better for everyone", now=NOON,
    )  # fmt: skip

    next_day = later(filled, 1)
    assert model_registry.champion_of(filled, "ranking") == "popularity"
    assert model_registry.champion_of(next_day, "ranking") == "ease"
    assert train(next_day, "ranking").model_version == candidate.model_version


def test_a_demoted_model_is_not_used_and_cannot_come_back_by_a_training_of_the_same_inputs(filled):
    """The error names the version and what a person can do; the day before knows nothing of it."""
    row = train(filled, "ranking")
    decide(
        filled.settings.lake, row.model_version, "demote",
        as_of=filled.as_of, actor="ada", reason="worse lists", now=NOON,
    )  # fmt: skip

    with pytest.raises(NoModelError, match=rf"{row.model_version} was demoted.*evensong models"):
        train(filled, "ranking")
    with pytest.raises(NoModelError, match="was demoted"):
        train(later(filled, 1), "ranking")  # nothing has changed: it would be the same model
    with pytest.raises(NoModelError, match="was demoted"):
        train(later(filled, 1), "ranking", retrain="always")

    assert row_of(filled).model_version == row.model_version


def component_of(night: Night) -> ModelRow:
    rows = model_registry.rows_of(night, NEEDED.task)
    [component] = [row for row in rows if row.family == NEEDED.family]
    return component


def row_of(night: Night) -> ModelRow:
    [row] = model_registry.rows_of(night, "ranking")
    return row
