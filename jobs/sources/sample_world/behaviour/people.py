"""People of the sample world: what they love, how often they listen, and whom they follow.

A person has one to three tastes, each a vector in the space of the tracks' latents; how much they
like a track is the largest dot product of a taste with the track's latent.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from jobs.sources.sample_world.catalogue import N_STYLES, genre_vector
from jobs.sources.sample_world.options import SampleWorld
from jobs.sources.sample_world.rng import generator

GENRE_LOVE = 4.0  # a taste's own genre against one without kinship: e^4 = 55 times as likely
STYLE_LOVE = 0.55  # per standard deviation of an artist's style
MOOD_LOVE = 1.2
_TASTE_COUNT_ODDS = (0.4, 0.4, 0.2)  # of one, two, three tastes
MEAN_SESSION_LENGTH = 5.0  # listens
_NAMED_RATIO = 0.5
_FOLLOW_BEFORE_OPENING_RATIO = 0.7
_UNFOLLOW_RATIO = 0.06
_MEAN_DAYS_TO_CHANGE = 25


class Role(Enum):
    """What a person does on the service."""

    LISTENER = "listener"
    SILENT = "silent"  # registered, neither listens nor follows
    FOLLOWS_ONLY = "follows_only"  # follows others and never listens


@dataclass(frozen=True, slots=True)
class Person:
    """One person.

    Attributes:
        tastes: shape (n_tastes, n_genres + 5).
        taste_shares: how much of the listening each taste gets, shape (n_tastes,), sums to 1.
        sessions_per_day: mean number of times the person starts to listen.
        usual_hour: of the day, around which sessions begin.
    """

    index: int
    user_id: str
    role: Role
    registered_date: date
    is_opted_out: bool
    is_named_to_others: bool
    tastes: NDArray[np.float64]
    taste_shares: NDArray[np.float64]
    sessions_per_day: float
    usual_hour: float

    @property
    def centre(self) -> NDArray[np.float64]:
        """The mean taste, shape (n_genres + 5,)."""
        mean: NDArray[np.float64] = self.taste_shares @ self.tastes
        return mean


@dataclass(frozen=True, slots=True)
class Follow:
    """One person following another; `until_date` is the day it was taken back."""

    follower: Person
    followed: Person
    from_date: date
    until_date: date | None

    def holds_on(self, day: date) -> bool:
        """Whether the follow is there on a day."""
        return self.from_date <= day and (self.until_date is None or day < self.until_date)


def make_people(world: SampleWorld, n_people: int) -> list[Person]:
    """The first `n_people`; asking for more later gives the same ones first."""
    return [_person(world, index) for index in range(n_people)]


def make_follows(world: SampleWorld, people: list[Person]) -> list[Follow]:
    """Whom each person ever follows, followers in order; most follow people of like taste."""
    follows = []
    for follower in people:
        if follower.role is not Role.SILENT:
            follows += _follows_of(world, follower, people)
    return follows


def _person(world: SampleWorld, index: int) -> Person:
    chance = generator(world.seed, "person", index)
    n_tastes = 1 + int(chance.choice(len(_TASTE_COUNT_ODDS), p=_TASTE_COUNT_ODDS))
    n_tastes = min(n_tastes, world.n_genres)
    genres = chance.choice(world.n_genres, size=n_tastes, replace=False)
    return Person(
        index=index,
        user_id=f"user-{index:04d}",
        role=_role(world, index),
        registered_date=_registered_date(world, index, chance),
        is_opted_out=_is_opted_out(world, index),
        is_named_to_others=bool(chance.random() < _NAMED_RATIO),
        tastes=np.stack([_taste(world, int(genre), chance) for genre in genres]),
        taste_shares=chance.dirichlet(np.full(n_tastes, 3.0)),
        sessions_per_day=_sessions_per_day(world) * float(chance.lognormal(-0.18, 0.6)),
        usual_hour=float(chance.uniform(7, 22)),
    )


def _sessions_per_day(world: SampleWorld) -> float:
    return world.listens_per_user_day / MEAN_SESSION_LENGTH


def _taste(
    world: SampleWorld, genre_index: int, chance: np.random.Generator
) -> NDArray[np.float64]:
    genre = GENRE_LOVE * genre_vector(genre_index, world.n_genres)
    style = STYLE_LOVE * chance.normal(size=N_STYLES)
    mood = MOOD_LOVE * chance.normal(size=2)
    return np.concatenate([genre, style, mood])


def _role(world: SampleWorld, index: int) -> Role:
    """The first people are silent, the next follow only, everybody else listens."""
    n_silent = _at_least_one(world.silent_user_ratio, world)
    n_follow_only = _at_least_one(world.follows_only_user_ratio, world)
    if index < n_silent:
        return Role.SILENT
    return Role.FOLLOWS_ONLY if index < n_silent + n_follow_only else Role.LISTENER


def _is_opted_out(world: SampleWorld, index: int) -> bool:
    """The last of those at the start; they listen like others."""
    n_opted_out = _at_least_one(world.opted_out_user_ratio, world)
    return world.n_users_at_start - n_opted_out <= index < world.n_users_at_start


def _at_least_one(ratio: float, world: SampleWorld) -> int:
    return max(1, round(ratio * world.n_users_at_start))


def _registered_date(world: SampleWorld, index: int, chance: np.random.Generator) -> date:
    later = index - world.n_users_at_start
    if later < 0:
        return world.first_day - timedelta(days=int(chance.integers(1, 700)))
    return world.first_day + timedelta(days=(later + 1) * world.signup_every_days)


def _follows_of(world: SampleWorld, follower: Person, people: list[Person]) -> list[Follow]:
    """Follows of one person, among those at the start and those who came earlier.

    Later people are no candidates: the choice must not change when the world grows.
    """
    chance = generator(world.seed, "follows", follower.index)
    n_candidates = max(world.n_users_at_start, follower.index)
    candidates = [
        person
        for person in people[:n_candidates]
        if person.index != follower.index and person.role is Role.LISTENER
    ]
    wanted = max(
        int(chance.poisson(world.follows_per_user)), int(follower.role is Role.FOLLOWS_ONLY)
    )
    alike = _likeness(follower, candidates)
    # Adding Gumbel noise and taking the largest draws without replacement with odds e^(8 * alike).
    order = np.argsort(-(8 * alike + chance.gumbel(size=len(candidates))), kind="stable")
    return [_follow(world, follower, candidates[chosen], chance) for chosen in order[:wanted]]


def _likeness(one: Person, others: list[Person]) -> NDArray[np.float64]:
    """Cosine of the mean tastes, shape (n_others,)."""
    centres = np.stack([other.centre for other in others])
    norms = np.linalg.norm(one.centre) * np.linalg.norm(centres, axis=1)
    cosines: NDArray[np.float64] = centres @ one.centre / norms
    return cosines


def _follow(
    world: SampleWorld, follower: Person, followed: Person, chance: np.random.Generator
) -> Follow:
    earliest = max(follower.registered_date, followed.registered_date)
    wait_days = int(chance.geometric(1 / _MEAN_DAYS_TO_CHANGE))
    is_follows_only = follower.role is Role.FOLLOWS_ONLY  # follows from the start, and for good
    is_early = chance.random() < _FOLLOW_BEFORE_OPENING_RATIO or is_follows_only
    from_date = earliest if is_early else max(earliest, world.first_day) + timedelta(days=wait_days)
    held_days = int(chance.geometric(1 / _MEAN_DAYS_TO_CHANGE))
    is_taken_back = chance.random() < _UNFOLLOW_RATIO and not is_follows_only
    # A follow that ended before the service opened would never have been landed.
    until_date = max(from_date, world.first_day) + timedelta(days=held_days)
    return Follow(follower, followed, from_date, until_date if is_taken_back else None)
