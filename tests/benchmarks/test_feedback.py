"""Which listens are learned from, and which ones judge."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import torch

from tests.benchmarks.feedback import judged_by_choices
from tests.benchmarks.fits import held_out
from tests.training.worlds import nodes_of, world_of
from training.data.interactions import Listens, day_number, listens_of
from training.data.world import World

AS_OF, N_DAYS, N_PEOPLE = date(2026, 3, 1), 30, 10
WINDOW_DAYS = 6  # a fifth of the days, for validation and again for the test


def test_a_radio_s_listens_are_learned_from_and_never_judge():
    """Each person plays a track of their own choice a day, and the radio another one, all of them new."""
    everything, chosen = world_with(played(0), played(N_DAYS)), world_with(played(0))

    judge = judged_by_choices(everything, chosen, seed=3)

    split = held_out(judge, 3)
    assert split.validation.end == AS_OF + timedelta(days=1 - 2 * WINDOW_DAYS)
    assert len(split.validation.before) == 2 * N_PEOPLE * (N_DAYS - 2 * WINDOW_DAYS)
    assert len(split.validation.after) == N_PEOPLE * WINDOW_DAYS
    assert bool((split.validation.after.tracks < N_DAYS).all())


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
