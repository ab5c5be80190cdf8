"""Recipes: defaults of the dataclasses, changed by the files of configs/."""

from __future__ import annotations

import pytest

from training.config import CONFIGS, RecipeError, load_recipe
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
