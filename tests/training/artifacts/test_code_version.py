"""A version follows the code that a model is made by."""

from __future__ import annotations

import shutil

import pytest

from training.artifacts import code_version
from training.models.registry import RANKING

TASK = "training.tasks.ranking"


def test_a_family_s_code_is_its_own_file_and_what_it_imports(tmp_path, monkeypatch):
    """Another matrix factorisation leaves LightGCN's fits alone; another propagation does not."""
    for package in ("training", "feature_store"):
        shutil.copytree(code_version.SOURCES / package, tmp_path / package)
    monkeypatch.setattr(code_version, "SOURCES", tmp_path)

    def hashes() -> list[str]:
        return [
            code_version.family_code_version(RANKING[family].module, TASK)
            for family in ("bpr", "light_gcn", "light_gcn_ease")
        ]

    def changed(file: str) -> list[bool]:
        before = hashes()
        with (tmp_path / file).open("a") as source:
            source.write("\n# other\n")
        return [one != other for one, other in zip(before, hashes(), strict=True)]

    assert changed("training/models/ranking/bpr.py") == [True, False, False]
    assert changed("training/layers/propagation.py") == [False, True, True]
    assert changed("training/models/ranking/ease.py") == [False, False, True]
    assert changed("training/evaluation/splits.py") == [True, True, True]
    assert changed("training/tasks/ranking.py") == [True, True, True]
    assert changed("feature_store/tables/edge_weights.py") == [True, True, True]


def test_a_family_without_a_file_has_no_version():
    with pytest.raises(FileNotFoundError, match=r"training\.models\.ranking\.nothing: no file"):
        code_version.family_code_version("training.models.ranking.nothing", TASK)
