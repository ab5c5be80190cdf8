"""HTCL benchmark: what it holds out, and what it makes of vectors."""

from __future__ import annotations

import math
from dataclasses import replace
from io import StringIO

import pytest
import torch
import typer
from rich.console import Console

from tests.benchmarks.htcl import MODELS, flat_figures, main, rows_of
from tests.benchmarks.support.htcl.fits import WorldFits, encode
from tests.benchmarks.support.htcl.measures import (
    MIN_OF_TAG,
    pair_recall,
    pairs_among,
    probe_classes,
    probe_tags,
)
from tests.benchmarks.support.htcl.new_tracks import BySound
from tests.benchmarks.support.htcl.worlds import split_by_artist
from tests.training.tasks.music import N_TRACKS, TRACKS_OF_ONE, world
from training.config import load_recipe
from training.data.batches import UserBatch
from training.data.interactions import Pairs
from training.data.track_pairs import TrackPairs

EAST, NORTH, WEST = [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]


def track_pairs(*rows: tuple[int, int]) -> TrackPairs:
    triggers, tracks = torch.tensor(rows).T
    nothing = torch.zeros(len(rows), dtype=torch.int64)
    return TrackPairs(nothing, triggers, tracks, nothing)


def test_pairs_of_the_pool_count_once_and_none_with_itself():
    found = pairs_among(
        track_pairs((7, 3), (7, 3), (3, 3), (3, 5), (7, 9)), torch.tensor([3, 7, 9]), 10
    )
    assert list(zip(found.users.tolist(), found.tracks.tolist(), strict=True)) == [(1, 0), (1, 2)]


def test_the_second_track_of_a_pair_is_found_among_the_nearest():
    vectors = torch.nn.functional.normalize(torch.tensor([EAST, [1.0, 0.1], NORTH, WEST]), dim=1)
    pairs = Pairs(torch.tensor([0, 0]), torch.tensor([1, 3]), torch.ones(2))
    assert pair_recall(vectors, pairs, 1) == 0.5
    assert pair_recall(vectors, pairs, 3) == 1.0
    with pytest.raises(ValueError, match="no pair"):
        pair_recall(vectors, pairs.where(torch.zeros(2, dtype=torch.bool)), 1)


def test_probes_tell_what_vectors_hold_and_nothing_else():
    generator = torch.Generator().manual_seed(3)
    vectors = torch.randn(400, 8, generator=generator)
    classes = ["high" if one > 0 else "low" for one in vectors[:, 0].tolist()]
    guesses = [
        "high" if one > 0 else "low" for one in torch.randn(400, generator=generator).tolist()
    ]
    told = probe_classes(vectors[:300], classes[:300], vectors[300:], classes[300:])
    guessed = probe_classes(vectors[:300], guesses[:300], vectors[300:], guesses[300:])
    assert told > 0.9
    assert guessed < 0.7


def test_tags_of_few_tracks_have_no_probe():
    vectors = torch.randn(200, 4, generator=torch.Generator().manual_seed(3))
    frequent, rare = vectors[:, 0] > 0, torch.zeros(200, dtype=torch.bool)
    rare[: MIN_OF_TAG - 1] = True
    tags = torch.stack([frequent, rare], dim=1)
    assert probe_tags(vectors[:120], tags[:120], vectors[120:], tags[120:]) > 0.8
    with pytest.raises(ValueError, match="no tag"):
        probe_tags(vectors[:120], tags[:120, 1:], vectors[120:], tags[120:, 1:])


def test_no_artist_is_in_two_parts():
    parts = split_by_artist(world(), seed=5, pool=12)
    of_parts = [parts.test, parts.validation, parts.view.is_learned.nonzero().squeeze(1)]
    artists = [set((tracks // TRACKS_OF_ONE).tolist()) for tracks in of_parts]
    assert [len(parts.test), len(parts.validation)] == [12, 6]
    assert sum(map(len, artists)) == len(set.union(*artists)) == N_TRACKS // TRACKS_OF_ONE
    learned = parts.view.is_learned
    assert len(parts.view.pairs)
    assert bool((learned[parts.view.pairs.triggers] & learned[parts.view.pairs.tracks]).all())


def test_a_fit_that_was_made_is_read_and_stage_2_begins_with_the_encoders_of_stage_1(tmp_path):
    data = world()
    parts = split_by_artist(data, seed=5, pool=36)
    recipe = load_recipe("audio_text", "htcl")
    recipe = replace(
        recipe,
        loop=replace(recipe.loop, max_epochs=1),
        model=replace(recipe.model, min_pairs=1, epoch_pairs=8),
    )
    said = StringIO()
    fits = WorldFits(data, parts, recipe, 5, 1, tmp_path, Console(file=said, width=200))
    first = fits.taste("no_term23")
    assert said.getvalue().count("epoch 1") == 2  # one of each stage
    again = fits.taste("no_term23")
    assert said.getvalue().count("epoch 1") == 2
    torch.testing.assert_close(encode(again, parts.test).vectors, encode(first, parts.test).vectors)
    assert fits.seconds("no_term23") > 0
    meaning = fits.meaning().network.audio.band_mean
    torch.testing.assert_close(first.network.audio.band_mean, meaning)


def test_a_listener_gets_what_sounds_like_what_was_heard():
    vectors = torch.tensor([EAST, [0.8, 0.6], NORTH, WEST])
    has = torch.tensor([True, True, True, False])
    ranker = BySound(vectors, has, Pairs(torch.tensor([1]), torch.tensor([0]), torch.ones(1)), 2)
    scores = ranker.score(UserBatch(torch.tensor([1])))
    assert scores[0].argsort(descending=True).tolist() == [0, 1, 2, 3]
    assert scores[0, 3] == -math.inf


def test_every_model_has_a_row_and_gains_have_intervals():
    figures = {
        f"{model}.{name}": 0.5 for model in MODELS for name in ("genre_probe", "taste_recall_at_10")
    }
    figures |= {
        f"{part}.recall_at_{depth}": 0.5 for part in ("stage1", "chance") for depth in (1, 5, 10)
    }
    runs = [figures, figures | {"stage2.taste_recall_at_10": 0.7}]
    flat = flat_figures(runs)
    assert flat["stage2.taste_recall_at_10"] == pytest.approx(0.6)
    assert flat["stage2_minus_stage1.taste_recall_at_10"] == pytest.approx(0.1)
    assert flat["stage2_minus_stage1.taste_recall_at_10_low"] < 0
    assert [row[0] for row in rows_of(runs)] == [*MODELS, "chance"]


def test_one_world_of_new_tracks_is_refused_before_anything_is_measured(monkeypatch):
    """One world gives no interval; the other measurements take hours."""
    monkeypatch.setattr("tests.benchmarks.htcl.measured_alone", lambda: pytest.fail("measured"))

    with pytest.raises(typer.BadParameter, match="1 world gives no interval; use 0 for none"):
        main(new_worlds=1)
