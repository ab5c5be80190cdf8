"""Recipes: defaults of the dataclasses, changed by the files of configs/."""

from __future__ import annotations

import pytest

from training.config import CONFIGS, RecipeError, load_recipe
from training.models.registry import FAMILIES


@pytest.mark.parametrize("family", FAMILIES)
def test_every_recipe_loads(family):
    assert load_recipe(family).family == family


def test_a_file_changes_only_its_own_keys():
    """bpr.toml sets max_epochs = 300; patience and everything of light_gcn keep their defaults."""
    bpr, light_gcn = load_recipe("bpr"), load_recipe("light_gcn")

    assert (bpr.loop.max_epochs, light_gcn.loop.max_epochs) == (300, 60)
    assert bpr.loop.patience == light_gcn.loop.patience


def test_every_config_file_belongs_to_a_registered_family():
    """A misspelt file name would leave a family with its defaults."""
    files = {file.name for file in CONFIGS.iterdir()}

    assert "bpr.toml" in files
    assert files <= {f"{family}.toml" for family in FAMILIES}


def test_an_unknown_family_is_refused():
    with pytest.raises(RecipeError, match=r"family 'mmgnn' is unknown; registered: bpr, "):
        load_recipe("mmgnn")


def test_a_recipe_with_an_unknown_key_or_a_wrong_type_is_refused(tmp_path):
    """A key of no setting, a value of another type, a section too many."""
    for text, message in (
        ("[loop]\nepochs = 3", "LoopConfig has no 'epochs'"),
        ("[loop]\nmax_epochs = 'three'", "'three' is no int"),
        ("[loop]\nmax_epochs = true", "True is no int"),
        ("[model]\nweighted_sampling = 1", "1 is no bool"),
        ("[optimiser]\nname = 'sgd'", r"unknown sections \['optimiser'\]"),
    ):
        (tmp_path / "mm_gnn.toml").write_text(text)
        with pytest.raises(RecipeError, match=message):
            load_recipe("mm_gnn", tmp_path)
