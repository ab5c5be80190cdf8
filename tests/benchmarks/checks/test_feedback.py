"""The split of the feedback benchmark: training listens and relevant pairs."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import torch

from tests.benchmarks.feedback import split_with_organic_test
from tests.training.datasets import dataset_of, nodes_of
from training.data.dataset import Dataset
from training.data.interactions import Listens, day_number, listens_of

AS_OF, N_DAYS, N_USERS = date(2026, 3, 1), 30, 10
WINDOW_DAYS = 6  # a fifth of the days, for validation and again for the test


def test_radio_listens_are_training_data_and_never_relevant():
    """Each day every user plays a new track, and the radio plays them another new one.

    On the first test day every user plays the radio's track of the day before, which is heard already.
    """
    n_days_before = N_DAYS - 2 * WINDOW_DAYS
    organic_listens, radio = listens_from(0), listens_from(N_DAYS)
    first_of_test = day_number(AS_OF) - WINDOW_DAYS + 1
    heard_before = N_DAYS + N_DAYS - WINDOW_DAYS - 1  # the radio's track of the day before
    organic_listens.tracks[organic_listens.day == first_of_test] = heard_before
    all_listens, organic = dataset_with(organic_listens, radio), dataset_with(organic_listens)

    split = split_with_organic_test(all_listens, organic, seed=3)

    validation, test = split.validation, split.sealed_test
    assert validation.end == AS_OF + timedelta(days=1 - 2 * WINDOW_DAYS)
    assert len(validation.before) == 2 * N_USERS * n_days_before
    assert len(test.before) == 2 * N_USERS * (n_days_before + WINDOW_DAYS)
    assert len(validation.relevant) == N_USERS * WINDOW_DAYS
    assert bool((validation.relevant.tracks < N_DAYS).all())
    assert len(test.relevant) == N_USERS * (WINDOW_DAYS - 1)
    assert heard_before not in test.relevant.tracks.tolist()


def listens_from(first_track: int) -> Listens:
    """Every user plays one track a day, in the order of the tracks from `first_track`."""
    users = torch.arange(N_USERS).repeat_interleave(N_DAYS)
    nth_day = torch.arange(N_DAYS).repeat(N_USERS)
    once = torch.ones_like(users)
    days = day_number(AS_OF) - N_DAYS + 1 + nth_day
    return listens_of(users, first_track + nth_day, days, once, 1000 * once)


def dataset_with(*listens: Listens) -> Dataset:
    nodes = nodes_of(
        [f"user-{n}" for n in range(N_USERS)], [f"track-{n:02d}" for n in range(2 * N_DAYS)]
    )
    dataset = dataset_of(nodes, listens[0], AS_OF)
    columns = ("users", "tracks", "day", "is_dated", "listen_count", "completion_permille")
    all_listens = Listens(
        *(torch.cat([getattr(part, name) for part in listens]) for name in columns)
    )
    return replace(dataset, listens=all_listens)
