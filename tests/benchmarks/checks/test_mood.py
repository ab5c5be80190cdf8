"""The benchmark of moods: figures of given worlds, and that a fit is read from its file the second time."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.benchmarks import mood
from tests.benchmarks.support.mood import fits
from tests.benchmarks.support.mood.fits import SHARES, IgnoresMood, MoodFigures, MoodFits
from tests.training.datasets import three_modalities
from tests.training.tasks.mood_worlds import mood_leak
from training.models.mood_protocol import MoodQueries


def figures(ndcg: float, distance: float) -> MoodFigures:
    """Of a model that finds half as much among fewer tracks."""
    return MoodFigures(
        {
            share: {
                "ndcg_at_10": ndcg * (1 if share == 1 else 0.5),
                "recall_at_10": 0.5,
                "emotional_distance": distance * share,
            }
            for share in SHARES
        },
        0.3,
        4,
    )


RUNS = {
    "both": [figures(0.4, 0.3), figures(0.6, 0.5)],
    "wide": [figures(0.3, 0.2), figures(0.4, 0.2)],
}


def test_figures_are_means_over_worlds_with_gains_of_both_parts():
    """The gains over the wide part are 0.1 and 0.2."""
    flat = mood.flat_figures(RUNS)

    assert flat["both.ndcg_at_10"] == pytest.approx(0.5)
    assert flat["both.emotional_distance"] == pytest.approx(0.4)
    assert flat["both.ndcg_at_10_nearest_20"] == pytest.approx(0.25)
    assert flat["wide.emotional_distance_nearest_5"] == pytest.approx(0.01)
    assert flat["both_minus_wide.ndcg_at_10"] == pytest.approx(0.15)
    assert "both_minus_both.ndcg_at_10" not in flat


def test_tables_have_a_cell_for_each_column():
    assert {len(row) for row in mood.rows_of(RUNS)} == {len(mood.HEADER)}
    assert {len(row) for row in mood.curve_rows(RUNS)} == {len(mood.CURVE_HEADER)}
    assert mood.curve_rows(RUNS)[0][1] == "0.5000, 0.400"


def test_a_fit_is_read_from_its_file_the_second_time(tmp_path, monkeypatch):
    """All models of a small world; the nearest tracks have the least distance, and all are fitted once."""
    drawn = mood_leak()  # listeners go on to tracks that they had not heard, as the ranking asks
    dataset = replace(drawn.dataset, content=three_modalities(drawn.dataset.n_tracks))
    world = MoodFits(replace(drawn, dataset=dataset), tmp_path, n_threads=1, max_epochs=1)
    first = {name: world.fit(name, 11) for name in mood.NAMES}
    monkeypatch.setattr(fits, "select_on_validation", None)

    again = {name: world.fit(name, 11) for name in mood.NAMES}

    assert str(again) == str(first)
    distances = {name: one.by_share[1.0]["emotional_distance"] for name, one in first.items()}
    assert min(distances, key=distances.__getitem__) == "nearest"
    assert set(first["both"].by_share) == set(SHARES)


class Names(torch.nn.Module):
    """Scores a track by its number and the listener's; no head covers track 0."""

    def score(self, batch):
        scores = batch.users[:, None] * 10 + torch.arange(4.0)
        return scores.index_fill(1, torch.tensor([0]), -torch.inf)


def test_a_ranking_model_ranks_for_the_listener_whatever_the_mood():
    contexts = torch.zeros(3, 2, dtype=torch.float64)

    scores = IgnoresMood(Names()).score(
        MoodQueries(torch.tensor([2, 0, 2]), contexts), torch.tensor([0, 3])
    )

    assert scores[:, 1].tolist() == [23.0, 3.0, 23.0]
    assert (scores[:, 0] < 1.0).all()
