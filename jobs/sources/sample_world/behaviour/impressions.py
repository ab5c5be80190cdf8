"""What the sample world's start page put before people: a few tracks to whoever listens on a day.

People do not heed it: it changes no listen. Some play a shown track all the same, of which the
player says that they chose it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from jobs.sources.sample_world.behaviour.listening import Listen
from jobs.sources.sample_world.behaviour.people import Person
from jobs.sources.sample_world.catalogue import Track
from jobs.sources.sample_world.options import SampleWorld
from jobs.sources.sample_world.rng import generator

SHOWN_A_DAY = 5


@dataclass(frozen=True, slots=True)
class Impression:
    """A track that stood before a person."""

    person: Person
    track: Track
    shown_at_utc: datetime


def start_page(world: SampleWorld, listens: Sequence[Listen], day: date) -> list[Impression]:
    """What each listener saw as the first listen of the day began.

    Tracks of random listens of that day: what is played much is shown much.
    """
    chance = generator(world.seed, "start page", world.day_number(day))
    first: dict[int, Listen] = {}
    for listen in listens:
        first.setdefault(listen.person.index, listen)
    return [
        Impression(listen.person, listens[place].track, listen.listened_at_utc)
        for listen in first.values()
        for place in sorted(set(chance.integers(len(listens), size=SHOWN_A_DAY).tolist()))
    ]
