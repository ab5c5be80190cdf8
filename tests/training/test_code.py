"""A version follows the code that a model is made by."""

from __future__ import annotations

import shutil

from training import code


def test_a_family_s_code_is_its_own_file_and_what_it_imports(tmp_path, monkeypatch):
    """Another matrix factorisation leaves LightGCN's fits alone; another propagation does not."""
    shutil.copytree(code.SOURCES / "training", tmp_path / "training")
    monkeypatch.setattr(code, "SOURCES", tmp_path)

    def hashes() -> list[str]:
        return [code.family_sha256(family) for family in ("bpr", "light_gcn", "light_gcn_ease")]

    def changed(file: str) -> list[bool]:
        before = hashes()
        with (tmp_path / "training" / file).open("a") as source:
            source.write("\n# other\n")
        return [one != other for one, other in zip(before, hashes(), strict=True)]

    assert changed("models/bpr.py") == [True, False, False]
    assert changed("layers/propagation.py") == [False, True, True]
    assert changed("models/ease.py") == [False, False, True]
    assert changed("data/splits.py") == [True, True, True]
