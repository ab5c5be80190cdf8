"""Simulates the start page, which shows a few tracks to each user who listens on a day.

Impressions change no listen. A shown track may be listened to all the same, as an organic listen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from jobs.sources.sample_world.behaviour.listening import Listen
from jobs.sources.sample_world.behaviour.users import User
from jobs.sources.sample_world.catalogue import Track
from jobs.sources.sample_world.options import SampleWorld
from jobs.sources.sample_world.rng import generator

DRAWS_PER_PAGE = 5  # a track drawn twice is shown once


@dataclass(frozen=True, slots=True)
class Impression:
    """A track that a user's start page showed."""

    user: User
    track: Track
    shown_at_utc: datetime


def make_impressions(world: SampleWorld, listens: Sequence[Listen], day: date) -> list[Impression]:
    """The start page of each user at the first of the user's `listens` of the day.

    Its tracks come from random listens of the day, so popular tracks are shown more often.
    """
    rng = generator(world.seed, "start page", world.day_number(day))
    first_listens: dict[int, Listen] = {}
    for listen in listens:
        first_listens.setdefault(listen.user.index, listen)
    return [
        Impression(listen.user, listens[drawn].track, listen.listened_at_utc)
        for listen in first_listens.values()
        for drawn in sorted(set(rng.integers(len(listens), size=DRAWS_PER_PAGE).tolist()))
    ]
