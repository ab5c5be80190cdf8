"""The benchmark of text emotion: what it reads, its bands, and its figures of given fits."""

from __future__ import annotations

import pytest
import torch

from tests.benchmarks.emotion import band_rows, flat_figures, rows_of, variants_of
from tests.benchmarks.support.emotion.emobank_texts import first_texts, read_emobank
from tests.benchmarks.support.emotion.fits import FitFigures, bands_of
from tests.conftest import SHARED_DATA

MAIN = 'id,split,V,A,D,text\na,train,3.0,3.0,3.0,One\nb,dev,4.0,2.0,3.0,"Two, too"\nc,test,1.0,5.0,3.0,Three\n'
READER = "id,V,A,D,stdV,stdA,stdD,N\nb,5.0,1.0,3.0,0.5,0.5,0.5,4\n"


def fit(r2, **values):
    return FitFigures({"test_r2_mean": sum(r2) / len(r2), "dev_r2_mean": 0.5, **values}, r2)


RUNS = {
    "minilm": [fit([0.6, 0.8], trainable_ratio=0.015), fit([0.4, 0.6], trainable_ratio=0.015)],
    "minilm_no_smoothing": [fit([0.5, 0.7], trainable_ratio=0.015)] * 2,
    "minilm_ridge": [fit([0.2, 0.4], test_valence_rmse_from_1=0.75)],
}


def test_emobank_is_read_with_its_labels_and_split(tmp_path):
    (tmp_path / "emobank.csv").write_text(MAIN)
    (tmp_path / "reader.csv").write_text(READER)

    data = read_emobank(tmp_path)

    assert data.texts == ["One", "Two, too", "Three"]
    assert data.source_splits == ["train", "dev", "test"]
    assert data.combined.tolist() == [[0.0, 0.0], [0.5, -0.5], [-1.0, 1.0]]
    assert data.labels[1, 1].tolist() == [1.0, -1.0]
    assert data.labels[:, 2].isnan().all()


@pytest.mark.skipif(not (SHARED_DATA / "emobank").is_dir(), reason="shared/data/emobank is absent")
def test_the_official_split_has_its_published_sizes():
    data = read_emobank(SHARED_DATA / "emobank")

    sizes = {name: list(data.source_splits).count(name) for name in ("train", "dev", "test")}
    assert sizes == {"train": 8062, "dev": 1000, "test": 1000}
    assert set(first_texts(data, 300).source_splits) == {"train", "dev", "test"}
    assert len(first_texts(data, 300)) == 300


def test_bands_are_by_the_distance_from_the_middle():
    masks = bands_of(torch.tensor([0.0, -0.5, 0.49, 1.0, -2.0]))

    assert masks["below_0_5"].tolist() == [True, False, True, False, False]
    assert masks["0_5_to_1"].tolist() == [False, True, False, False, False]
    assert masks["from_1"].tolist() == [False, False, False, True, True]


def test_figures_are_means_over_seeds_and_gains_are_paired():
    """Seeds of minilm have .7 and .5, so .6; ridge has .3 in its only fit."""
    flat = flat_figures(RUNS)

    assert flat["minilm.test_r2_mean"] == pytest.approx(0.6)
    assert flat["minilm_ridge.test_r2_mean"] == pytest.approx(0.3)
    assert flat["minilm_minus_ridge.test_r2_mean"] == pytest.approx(0.3)
    assert flat["minilm_minus_no_smoothing.test_r2_mean"] == pytest.approx(0.0, abs=1e-6)
    assert flat["trainable_ratio"] == 0.015
    assert "minilm_ridge_minus_ridge.test_r2_mean" not in flat


def test_a_row_for_each_model():
    rows, by_band = rows_of(RUNS), band_rows(RUNS)

    assert [row[0] for row in rows] == list(RUNS)
    assert rows[0][-2].startswith("0.3000 [")
    assert rows[2][-2:] == ["–", "–"]
    assert by_band[2] == ["minilm_ridge", "–", "–", "0.7500", "–", "–", "–"]


def test_variants_of_a_model_differ_in_one_thing():
    found = variants_of("mpnet", "folder", 4)

    recipes = {name: variant.recipe(None) for name, variant in found.items()}
    assert recipes["mpnet"].model.upper_layers == 4
    assert recipes["mpnet"].model.smoothing > 0
    assert recipes["mpnet_no_smoothing"].model.smoothing == 0
    assert {recipe.model.text_folder for recipe in recipes.values()} == {"folder"}
    assert recipes["mpnet_ridge"].family == "ridge"
