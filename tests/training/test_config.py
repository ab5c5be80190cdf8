"""Recipes: defaults of the dataclasses, changed by the files of configs/."""

from __future__ import annotations

from dataclasses import replace

import pytest

from training.config import CONFIGS, RecipeError, load_recipe
from training.engine.ranges import OutOfRangeError
from training.models.registry import RANKING
from training.tasks.registry import TASKS, UnknownFamilyError, UnknownTaskError


@pytest.mark.parametrize("family", RANKING)
def test_every_recipe_loads(family):
    assert load_recipe("ranking", family).family == family


def test_a_file_changes_only_its_own_keys():
    """bpr.toml sets validate_every = 10; patience and everything of light_gcn keep their defaults."""
    bpr, light_gcn = load_recipe("ranking", "bpr"), load_recipe("ranking", "light_gcn")

    assert (bpr.loop.validate_every, light_gcn.loop.validate_every) == (10, 4)
    assert (bpr.batching.batch_users, light_gcn.batching.batch_users) == (256, 512)
    assert bpr.loop.patience == light_gcn.loop.patience


def test_every_config_file_belongs_to_a_registered_family():
    """A misspelt file name would leave a family with its defaults."""
    files = {file.relative_to(CONFIGS).as_posix() for file in CONFIGS.rglob("*.toml")}

    assert "ranking/bpr.toml" in files
    assert files <= {
        f"{task}/{family}.toml" for task, known in TASKS.items() for family in known.families
    }


def test_an_unknown_family_is_refused():
    with pytest.raises(
        UnknownFamilyError, match=r"task ranking has no family 'mmgnn'; registered: bpr, "
    ):
        load_recipe("ranking", "mmgnn")


def test_an_unknown_task_is_refused():
    with pytest.raises(UnknownTaskError, match=r"'rankings' is unknown; registered: .*ranking"):
        load_recipe("rankings", "mm_gnn")


def test_a_recipe_with_an_unknown_key_or_a_wrong_type_is_refused(tmp_path):
    """A key of no setting, a value of another type, a section too many."""
    for text, message in (
        ("[loop]\nepochs = 3", "LoopConfig has no 'epochs'"),
        ("[loop]\nmax_epochs = 'three'", "'three' is no int"),
        ("[loop]\nmax_epochs = true", "True is no int"),
        ("[model]\nweighted_sampling = 1", "1 is no bool"),
        ("[optimiser]\nname = 'sgd'", r"unknown sections \['optimiser'\]"),
    ):
        (tmp_path / "ranking").mkdir(exist_ok=True)
        (tmp_path / "ranking" / "mm_gnn.toml").write_text(text)
        with pytest.raises(RecipeError, match=message):
            load_recipe("ranking", "mm_gnn", tmp_path)


@pytest.mark.parametrize(
    ("task", "family", "text", "message"),
    [
        ("ranking", "mm_gnn", "[loop]\nmax_epochs = 0", "max_epochs = 0 is out of range; set a"),
        ("ranking", "mm_gnn", "[loop]\naccumulate = 0", "accumulate = 0 "),
        ("ranking", "mm_gnn", "[loop]\nvalidate_every = 0", "validate_every = 0 "),
        ("ranking", "mm_gnn", "[loop]\npatience = 0", "patience = 0 "),
        ("ranking", "mm_gnn", "[loop]\nlearning_rate = 0.0", "learning_rate = 0.0 .* more than 0"),
        ("ranking", "mm_gnn", "[loop]\nlearning_rate = inf", "learning_rate = inf "),
        ("ranking", "mm_gnn", "[loop]\nweight_decay = nan", "weight_decay = nan "),
        ("ranking", "mm_gnn", "[loop]\nprecision = 'fp16'", "'fp16' .* one of float32, bfloat16"),
        ("audio_text", "htcl", "[model]\nmasked_bands = 1.0", "1.0 .* 0 or more and less than 1"),
        ("audio_text", "htcl", "[model]\nmasked_time = 1.5", "masked_time = 1.5 "),
        ("audio_text", "htcl", "[model]\ndropout = 1", "dropout = 1 "),
        ("audio_text", "htcl", "[model]\ntext_pooling = 'max'", "'max' .* one of pooler, mean"),
        ("audio_text", "htcl", "[model]\nmax_tokens = 1", "max_tokens = 1 .* 2 or more"),
        ("audio_text", "htcl", "[model]\ntext_layers = -2", "text_layers = -2 .* -1 or more"),
        ("audio_text", "htcl", "[model]\nencoder_rate = -0.1", "encoder_rate = -0.1 "),
        ("audio_text", "htcl", "[model]\npiece_tracks = -1", "piece_tracks = -1 "),
        ("text_emotion", "words_to_waves", "[model]\nsmoothing = 1.1", "1.1 .* and at most 1"),
        ("text_emotion", "words_to_waves", "[model]\nbeta = -0.5", "beta = -0.5 "),
        ("text_emotion", "words_to_waves", "[model]\nhead_dropout = 1.0", "head_dropout = 1.0 "),
        ("text_emotion", "words_to_waves", "[model]\nrank = 0", "rank = 0 "),
    ],
)
def test_a_value_out_of_range_is_refused_with_file_key_and_range(
    task, family, text, message, tmp_path
):
    (tmp_path / task).mkdir()
    (tmp_path / task / f"{family}.toml").write_text(text)

    with pytest.raises(RecipeError, match=rf"^{task}/{family}.toml: \w+Config: .*{message}"):
        load_recipe(task, family, tmp_path)


def test_the_ends_of_a_range_are_allowed(tmp_path):
    (tmp_path / "text_emotion").mkdir()
    text = "[model]\nbeta = 1\nsmoothing = 0\nadapter_dropout = 0.0\nmax_tokens = 2"
    (tmp_path / "text_emotion" / "words_to_waves.toml").write_text(text)

    model = load_recipe("text_emotion", "words_to_waves", tmp_path).model

    assert (model.beta, model.smoothing, model.max_tokens) == (1, 0, 2)


def test_stage_2_needs_a_term(tmp_path):
    (tmp_path / "audio_text").mkdir()
    names = ("weight_audio_text", "weight_audio_audio", "weight_audio_fused")
    text = "[model]\n" + "\n".join(f"{name} = 0.0" for name in names)
    (tmp_path / "audio_text" / "htcl.toml").write_text(text)

    with pytest.raises(RecipeError, match=r"weight_audio_text, .* learn nothing; set one above 0"):
        load_recipe("audio_text", "htcl", tmp_path)


def test_a_changed_copy_of_a_recipe_is_checked_too():
    loop = load_recipe("ranking", "bpr").loop

    with pytest.raises(OutOfRangeError, match="LoopConfig: patience = -3 is out of range"):
        replace(loop, patience=-3)
