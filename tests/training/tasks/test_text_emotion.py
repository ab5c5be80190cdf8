"""text_emotion: what it holds out, what it lacks, and that a state is the model."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pyarrow as pa
import pytest
import torch
from transformers import AutoModel

from feature_store.lake.arrow_io import append, read_table
from feature_store.lake.storage import sha256_of
from feature_store.setting_groups import SplitSettings
from feature_store.tables.core import CORE_EMOTION_TEXTS
from feature_store.tables.scores import SCORE_EVALUATION
from tests.jobs.encoders.tiny_models import save_bert
from tests.training.datasets import CPU
from tests.training.tasks import worlds
from training.artifacts.model_state import CheckpointError
from training.config import load_recipe
from training.data.emotion_texts import EmotionTexts
from training.engine.loop import deterministic, eval_mode, fit_stage
from training.engine.model_selection import Fitting, select_on_validation
from training.engine.resume import ResumeFile
from training.evaluation.splits import Split, Unsplit
from training.models.registry import TEXT_EMOTION
from training.predict import predict
from training.tasks.text_emotion import TextEmotion
from training.train import train

registered = worlds.registered
pytestmark = pytest.mark.usefixtures("registered")

TASK = TextEmotion()
NAME = "text_emotion"
TEXTS = ["bright day", "dark day", "bright night", "dark night"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(save_bert(tmp_path_factory.mktemp("bert")))


def data_of(n_texts=80, splits=("train",) * 6 + ("dev", "test")):
    """Bright is happy, day is excited; each text has a number of fillers of its own."""
    texts = [f"{TEXTS[number % 4]}{' a' * (number // 4)}" for number in range(n_texts)]
    numbers = torch.arange(n_texts)
    labels = torch.full((n_texts, 3, 2), torch.nan)
    labels[:, 0, 0] = torch.where(numbers % 2 == 0, 0.3, -0.3) + 0.001 * numbers
    labels[:, 0, 1] = torch.where(numbers % 4 < 2, 0.2, -0.2)
    return EmotionTexts(
        ids=[f"s{number:03}" for number in range(n_texts)],
        texts=texts,
        labels=labels,
        content_hashes=[sha256_of(text.encode()) for text in texts],
        source_splits=[splits[number // 4 % len(splits)] for number in range(n_texts)],
    )


def recipe_of(folder, family="words_to_waves", **changes):
    recipe = load_recipe(NAME, family)
    if family != "vader_valence":
        recipe = replace(recipe, model=replace(recipe.model, text_folder=folder, max_tokens=32))
    recipe = replace(recipe, model=replace(recipe.model, **changes))
    loop = replace(recipe.loop, learning_rate=2e-2, max_epochs=20, patience=20, validate_every=1)
    return replace(recipe, loop=loop, batching=replace(recipe.batching, batch_texts=8))


def split_of(data, **settings):
    return TASK.split(data, None, SplitSettings(**settings), torch.Generator())


def selected(data, recipe):
    with deterministic(seed=4, n_threads=1):
        return select_on_validation(Fitting(TASK, data, CPU), split_of(data), recipe, seed=4)


def test_it_learns_what_the_words_say(folder):
    """Of held-out texts all but the fillers is known: nearly all variance is explained, and the spreads hold."""
    values = selected(data_of(), recipe_of(folder)).validation.result.values

    assert values["valence_r2"] > 0.8
    assert values["arousal_r2"] > 0.8
    assert values["r2_mean"] == pytest.approx((values["valence_r2"] + values["arousal_r2"]) / 2)
    assert 0.5 <= values["valence_within_1_sd"] <= values["valence_within_1_64_sd"]
    assert 0 < values["trainable_ratio"] < 1


@pytest.mark.parametrize("family", TEXT_EMOTION)
def test_a_state_is_the_model_without_its_backbone(family, folder):
    """Loaded over the view of another night it says the same, to the bit; no tensor of the text model is stored."""
    data, recipe = data_of(), recipe_of(folder, family)
    found = selected(data, recipe)
    another_night = TASK.full_view(data_of(40))

    models = [
        TASK.from_state(found.state, recipe, view, {}, CPU)
        for view in (TASK.full_view(data), another_night)
    ]

    estimates = []
    for model in models:
        with eval_mode(model):
            estimates.append(model.estimate(TEXTS))
    assert torch.equal(estimates[0].mean, estimates[1].mean)
    assert torch.equal(estimates[0].sd, estimates[1].sd)
    assert float(estimates[0].sd.min()) > 0
    backbone = [name for name in found.state.parameters if "tower" in name and "lora_" not in name]
    assert backbone == []
    assert set(found.state.backbones) == (set() if family == "vader_valence" else {"text"})
    assert set(found.state.calibrated) <= set(found.state.parameters)


@pytest.mark.parametrize("family", ["words_to_waves", "ridge"])
def test_another_text_model_in_the_folder_is_refused(family, tmp_path):
    folder = save_bert(tmp_path / "bert")
    data, recipe = data_of(16), recipe_of(str(folder), family)
    model = TASK.new_model(recipe, TASK.full_view(data), {})
    state = TASK.to_state(family, model, TASK.full_view(data))
    changed = AutoModel.from_pretrained(folder)
    changed.embeddings.word_embeddings.weight.data.add_(0.5)
    changed.save_pretrained(folder)

    with pytest.raises(CheckpointError, match="other weights than the one in the folder"):
        TASK.from_state(state, recipe, TASK.full_view(data), {}, CPU)


def test_parts_are_held_out_as_the_source_says():
    split = split_of(data_of())

    assert isinstance(split, Split)
    assert split.rule == "random"
    view = TASK.train_view(data_of(), split.validation)
    splits = data_of().source_splits
    assert {splits[row] for row in view.rows.tolist()} == {"train"}
    assert {splits[row] for row in split.validation.rows.tolist()} == {"dev"}
    later = TASK.train_view(data_of(), split.sealed_test)
    assert {splits[row] for row in later.rows.tolist()} == {"train", "dev"}
    assert len(TASK.full_view(data_of()).rows) == 80


def test_too_few_held_out_texts_are_not_split():
    found = split_of(data_of(16, ("train", "dev", "test", "train")), min_held_out_users=5)

    assert isinstance(found, Unsplit)
    assert found.reason == ("core_emotion_texts: 8 of 8 texts to train on, 4 held out (rule: 2, 5)")


def test_labels_that_do_not_differ_cannot_be_evaluated():
    """R² divides by their variance."""
    data = data_of()
    labels = data.labels.clone()
    labels[:, 0, 1] = 0.25

    found = split_of(replace(data, labels=labels))

    assert found == Unsplit("core_emotion_texts: held-out texts have one and the same arousal")


def test_a_killed_fit_over_kept_outputs_ends_as_one_that_was_not(folder, tmp_path):
    """The lower layer's outputs are computed again before the fit resumes: equal losses, figures and bits.

    Validation leaves the mode of training as it was, dropout included.
    """
    data = data_of()
    evaluator = TASK.evaluator(data, split_of(data).validation, CPU)

    class Killed(BaseException):
        """Nothing catches it."""

    def fitted(name, killed_after=0):
        def on_epoch(epoch, _):
            if epoch.number == killed_after:
                raise Killed

        recipe = recipe_of(folder, upper_layers=1)
        with deterministic(seed=4, n_threads=1):
            model = TASK.new_model(recipe, TASK.full_view(data), {})
            generator = torch.Generator().manual_seed(4)
            [stage] = TASK.stages(model, TASK.full_view(data), recipe, generator, CPU)
            file = ResumeFile(tmp_path / name, lambda: None)
            history = fit_stage(
                stage,
                n_epochs=4,
                validate=lambda _: {"validation": evaluator.evaluate(model).values["r2_mean"]},
                resume_file=file,
                on_epoch=on_epoch,
            ).history
        return history, stage.state()

    expected, parameters = fitted("whole")
    with pytest.raises(Killed):
        fitted("killed", killed_after=3)  # its file has two epochs

    history, resumed = fitted("killed")

    assert history == expected
    assert all(torch.equal(resumed[name], one) for name, one in parameters.items())


def test_without_labelled_texts_the_night_goes_on(night):
    """The row says why there is no model; predictions are empty slices."""
    worlds.fill(night.settings.lake, night.as_of)
    shutil.rmtree(f"{night.settings.lake}/tables/core_emotion_texts")
    nothing = pa.Table.from_pylist([], CORE_EMOTION_TEXTS.arrow_schema)
    append(night.settings.lake, CORE_EMOTION_TEXTS, nothing)

    row = train(night, NAME)
    written = predict(night, NAME)

    assert (row.family, row.model_role) == ("words_to_waves", "none")
    assert row.no_data_reason == (
        "core_emotion_texts: 0 texts have a label of the combined perspective; it learns from 2 or "
        "more (evensong ingest emobank lands some)"
    )
    assert {one.table_name: one.row_count for one in written} == {
        "feat_text_emotion": 0,
        "feat_lyrics_emotion": 0,
    }


def test_each_training_compares_it_with_ridge_and_vader(night):
    worlds.fill(night.settings.lake, night.as_of)
    night = worlds.htcl_night(night)

    train(night, NAME)

    rows = read_table(night.settings.lake, SCORE_EVALUATION, as_of=night.as_of).to_pylist()
    found = {(row["subject"], row["split"]) for row in rows if row["metric"] == "r2_mean"}
    assert found == {
        (family, split)
        for family in ("words_to_waves", "ridge", "vader_valence")
        for split in ("validation", "test")
    }
    assert {row["subject"] for row in rows if row["metric"] == "trainable_ratio"} == {
        "words_to_waves"
    }
