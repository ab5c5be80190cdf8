"""What people of the sample world do beside listening: likes, hides, second thoughts and tags."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np

from jobs.sources.sample_world.behaviour.listening import Listen
from jobs.sources.sample_world.behaviour.people import Person
from jobs.sources.sample_world.catalogue import Track
from jobs.sources.sample_world.options import SampleWorld
from jobs.sources.sample_world.rng import generator

LIKE_RATIO = 0.05  # of finished listens that fit well
HIDE_RATIO = 0.06  # of skipped listens that fit badly
TAG_RATIO = 0.03  # of finished listens
UNDO_RATIO = 0.08  # of likes and hides
WELL_FITTING = 4.0
BADLY_FITTING = 1.5
_OPPOSITE = {"like": "unlike", "hide": "unhide"}


@dataclass(frozen=True, slots=True)
class Button:
    """A like, unlike, hide or unhide."""

    person: Person
    track: Track
    action: str
    given_at_utc: datetime


@dataclass(frozen=True, slots=True)
class TagGiven:
    """A tag that a person gave a track."""

    person: Person
    track: Track
    tag: str


@dataclass(frozen=True, slots=True)
class Reactions:
    """Buttons and tags of one day, in the order of the listens that they follow."""

    buttons: list[Button]
    tags: list[TagGiven]


def react(world: SampleWorld, listens: Sequence[Listen], day: date) -> Reactions:
    """What people pressed and wrote after the listens of a day, on that day."""
    chance = generator(world.seed, "reactions", world.day_number(day))
    buttons: list[Button] = []
    tags: list[TagGiven] = []
    for listen in listens:
        buttons += _buttons(listen, day, chance)
        if listen.is_finished and chance.random() < TAG_RATIO:
            tag = str(chance.choice(catalogue_tags(listen.track)))
            tags.append(TagGiven(listen.person, listen.track, tag))
    return Reactions(buttons, tags)


def catalogue_tags(track: Track) -> list[str]:
    """The tags that the catalogue itself gives: genre, mood, and whether there is singing."""
    tags = [track.artist.genre.name, track.mood]
    return [*tags, "instrumental"] if track.is_instrumental else tags


def _buttons(listen: Listen, day: date, chance: np.random.Generator) -> Iterator[Button]:
    is_liked = listen.is_finished and listen.fit > WELL_FITTING
    is_hidden = not listen.is_finished and listen.fit < BADLY_FITTING
    ratio = LIKE_RATIO * is_liked + HIDE_RATIO * is_hidden
    pressed, undone = chance.random(size=2)
    if pressed >= ratio:
        return
    action = "like" if is_liked else "hide"
    given_at_utc = listen.listened_at_utc + timedelta(milliseconds=listen.played_ms)
    yield Button(listen.person, listen.track, action, given_at_utc)
    undone_at_utc = given_at_utc + timedelta(minutes=1)
    if undone < UNDO_RATIO and undone_at_utc.date() == day:
        yield Button(listen.person, listen.track, _OPPOSITE[action], undone_at_utc)
