"""Baselines of moods: the nearest tracks on the plane, and the popular ones."""

from __future__ import annotations

import torch

from tests.training.tasks.mood_worlds import HAPPY, MARCH_1, SAD, mood_data
from training.models.mood_protocol import MoodQueries
from training.models.ranking.mood_popularity import MoodPopularity, MoodPopularityConfig
from training.models.ranking.nearest_mood import NearestMood, NearestMoodConfig

POSITIONS = [SAD, (0.2, 0.5), None, HAPPY, (0.2, 0.50001)]
LISTENS = [(0, 4, MARCH_1, SAD), (1, 4, MARCH_1, SAD), (0, 2, MARCH_1, SAD), (0, 3, MARCH_1, SAD)]
DATA = mood_data(LISTENS, POSITIONS, 2)
ASKED = MoodQueries(torch.tensor([0, 1]), torch.tensor([SAD, HAPPY], dtype=torch.float64))


def ranked(model: torch.nn.Module, row: int) -> list[int]:
    scores = model.score(ASKED, torch.arange(5))
    return scores[row].argsort(descending=True, stable=True).tolist()


def test_the_nearest_track_comes_first_and_one_without_a_mood_last():
    """Tracks 1 and 4 are equally near, to a step of 0.0001: more people listen to 4."""
    model = NearestMood(NearestMoodConfig(), DATA.full_view())

    assert ranked(model, 0) == [0, 4, 1, 3, 2]
    assert ranked(model, 1) == [3, 4, 1, 0, 2]


def test_popularity_ranks_alike_for_every_mood():
    """Track 4 has two listeners, 2 and 3 have one."""
    model = MoodPopularity(MoodPopularityConfig(), DATA.full_view())

    assert ranked(model, 0) == [4, 2, 3, 0, 1] == ranked(model, 1)


def test_some_tracks_are_scored_as_among_all():
    some = torch.tensor([4, 0])
    for model in (
        NearestMood(NearestMoodConfig(), DATA.full_view()),
        MoodPopularity(MoodPopularityConfig(), DATA.full_view()),
    ):
        assert torch.equal(model.score(ASKED, some), model.score(ASKED, torch.arange(5))[:, some])
