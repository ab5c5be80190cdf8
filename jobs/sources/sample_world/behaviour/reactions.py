"""Simulates explicit feedback (likes, hides and their undoing) and tags after listens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np

from jobs.sources.sample_world.behaviour.listening import Listen
from jobs.sources.sample_world.behaviour.users import User
from jobs.sources.sample_world.catalogue import Track
from jobs.sources.sample_world.options import SampleWorld
from jobs.sources.sample_world.rng import generator

LIKE_RATIO = 0.05  # of finished listens above HIGH_AFFINITY
HIDE_RATIO = 0.06  # of skipped listens below LOW_AFFINITY
TAG_RATIO = 0.03  # of finished listens
UNDO_RATIO = 0.08  # of likes and hides
HIGH_AFFINITY = 4.0
LOW_AFFINITY = 1.5
_UNDO = {"like": "unlike", "hide": "unhide"}


@dataclass(frozen=True, slots=True)
class Feedback:
    """A like, unlike, hide or unhide."""

    user: User
    track: Track
    action: str
    given_at_utc: datetime


@dataclass(frozen=True, slots=True)
class TagAssignment:
    """A tag that a user gave a track."""

    user: User
    track: Track
    tag: str


@dataclass(frozen=True, slots=True)
class Reactions:
    """Feedback and tags of one day, in the order of the listens."""

    feedback: list[Feedback]
    tags: list[TagAssignment]


def make_reactions(world: SampleWorld, listens: Sequence[Listen], day: date) -> Reactions:
    """Feedback and tags that users give on `day` after its `listens`."""
    rng = generator(world.seed, "reactions", world.day_number(day))
    feedback: list[Feedback] = []
    tags: list[TagAssignment] = []
    for listen in listens:
        feedback += _make_feedback(listen, day, rng)
        if listen.is_finished and rng.random() < TAG_RATIO:
            tag = str(rng.choice(catalogue_tags(listen.track)))
            tags.append(TagAssignment(listen.user, listen.track, tag))
    return Reactions(feedback, tags)


def catalogue_tags(track: Track) -> list[str]:
    """Tags from the catalogue: genre, mood, and "instrumental" for a track without singing."""
    tags = [track.artist.genre.name, track.mood]
    return [*tags, "instrumental"] if track.is_instrumental else tags


def _make_feedback(listen: Listen, day: date, rng: np.random.Generator) -> Iterator[Feedback]:
    is_liked = listen.is_finished and listen.affinity > HIGH_AFFINITY
    is_hidden = not listen.is_finished and listen.affinity < LOW_AFFINITY
    ratio = LIKE_RATIO * is_liked + HIDE_RATIO * is_hidden
    given, undone = rng.random(size=2)
    if given >= ratio:
        return
    action = "like" if is_liked else "hide"
    given_at_utc = listen.listened_at_utc + timedelta(milliseconds=listen.played_ms)
    yield Feedback(listen.user, listen.track, action, given_at_utc)
    undone_at_utc = given_at_utc + timedelta(minutes=1)
    if undone < UNDO_RATIO and undone_at_utc.date() == day:
        yield Feedback(listen.user, listen.track, _UNDO[action], undone_at_utc)
