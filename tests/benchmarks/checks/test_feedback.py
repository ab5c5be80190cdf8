"""Which listens are learned from, and which ones judge."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import torch

from tests.benchmarks.feedback import judged_by_choices
from tests.training.worlds import nodes_of, world_of
from training.data.dataset import World
from training.data.interactions import Listens, day_number, listens_of

AS_OF, N_DAYS, N_PEOPLE = date(2026, 3, 1), 30, 10
WINDOW_DAYS = 6  # a fifth of the days, for validation and again for the test


def test_a_radio_s_listens_are_learned_from_and_never_judge():
    """Each person plays a track of their own choice a day, and the radio another one, all of them new.

    But on the test's first day everybody chooses what the radio had played the day before: that was heard already.
    """
    n_days_before = N_DAYS - 2 * WINDOW_DAYS
    own, radio = played(0), played(N_DAYS)
    first_of_test = day_number(AS_OF) - WINDOW_DAYS + 1
    heard_before = N_DAYS + N_DAYS - WINDOW_DAYS - 1  # the radio's track of the day before
    own.tracks[own.day == first_of_test] = heard_before
    everything, chosen = world_with(own, radio), world_with(own)

    judge = judged_by_choices(everything, chosen, seed=3)

    validation, test = judge.validation, judge.sealed_test
    assert validation.end == AS_OF + timedelta(days=1 - 2 * WINDOW_DAYS)
    assert len(validation.before) == 2 * N_PEOPLE * n_days_before
    assert len(test.before) == 2 * N_PEOPLE * (n_days_before + WINDOW_DAYS)
    assert len(validation.after) == N_PEOPLE * WINDOW_DAYS
    assert bool((validation.after.tracks < N_DAYS).all())
    assert len(test.after) == N_PEOPLE * (WINDOW_DAYS - 1)
    assert heard_before not in test.after.tracks.tolist()


def played(first_track: int) -> Listens:
    """Everybody plays one track a day, in the order of the tracks from `first_track`."""
    people = torch.arange(N_PEOPLE).repeat_interleave(N_DAYS)
    nth_day = torch.arange(N_DAYS).repeat(N_PEOPLE)
    once = torch.ones_like(people)
    days = day_number(AS_OF) - N_DAYS + 1 + nth_day
    return listens_of(people, first_track + nth_day, days, once, 1000 * once)


def world_with(*listens: Listens) -> World:
    nodes = nodes_of(
        [f"user-{n}" for n in range(N_PEOPLE)], [f"track-{n:02d}" for n in range(2 * N_DAYS)]
    )
    world = world_of(nodes, listens[0], AS_OF)
    columns = ("users", "tracks", "day", "is_dated", "listen_count", "completion_permille")
    together = Listens(*(torch.cat([getattr(one, name) for one in listens]) for name in columns))
    return replace(world, listens=together)
