"""Listening in the sample world, day by day: sessions with repeats and skips."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from jobs.inputs import Slice
from jobs.sources.sample_world.behaviour.choices import Mood, Shelf, choose, fill_shelf
from jobs.sources.sample_world.behaviour.people import MEAN_SESSION_LENGTH, Follow, Person, Role
from jobs.sources.sample_world.catalogue import Track, withdrawn_on
from jobs.sources.sample_world.options import SampleWorld
from jobs.sources.sample_world.rng import generator

_REMEMBERED = 40  # finished listens that repeats are drawn from
_EVEN_FIT = 2.5  # fit at which one listen in two is finished; a taste's own genre starts at 4
_HOURS_SPREAD = 2.5
_PAUSE_S = 4  # between two listens of a session
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Listen:
    """One listen; what is not finished was skipped. `fit` is taste · latent, the best of tastes."""

    person: Person
    track: Track
    listened_at_utc: datetime
    played_ms: int
    is_organic: bool
    is_finished: bool
    fit: float


@dataclass(slots=True)
class _Memory:
    """What was finished, by person: lately, and on the day before; positions of tracks."""

    lately: dict[int, deque[int]] = field(
        default_factory=lambda: defaultdict(lambda: deque(maxlen=_REMEMBERED))
    )
    yesterday: dict[int, list[int]] = field(default_factory=dict)

    def close_day(self, listens: Sequence[Listen]) -> None:
        """Take in what was finished on a day that is over."""
        finished: dict[int, list[int]] = defaultdict(list)
        for listen in listens:
            if listen.is_finished:
                finished[listen.person.index].append(listen.track.position)
        for index, positions in finished.items():
            self.lately[index].extend(positions)
        self.yesterday = finished


@dataclass(frozen=True, slots=True)
class _Morning:
    """What a day begins with; `lately` and `friends_finished` by person."""

    day: date
    shelf: Shelf
    lately: Mapping[int, Sequence[int]]
    friends_finished: Mapping[int, Sequence[int]]


def listens_by_day(
    world: SampleWorld,
    tracks: Sequence[Track],
    people: Sequence[Person],
    follows: Sequence[Follow],
    days: Slice,
) -> Iterator[list[Listen]]:
    """The listens of each day, by person and time.

    `days` must begin on the world's first day, because a day depends on those before it; `tracks`
    and `people` come in the order of their positions and indices and go as far as those days.
    """
    latents = np.stack([track.latent(world.n_genres) for track in tracks])
    fits = [person.tastes @ latents.T for person in people]  # each (n_tastes, n_tracks)
    memory, gone = _Memory(), set[int]()
    for day in days:
        withdrawn = withdrawn_on(world, world.day_number(day))
        gone |= set() if withdrawn is None else {withdrawn}
        morning = _Morning(
            day=day,
            shelf=fill_shelf(tracks, fits, gone, day),
            lately=memory.lately,
            friends_finished=_friends_finished(follows, memory, day),
        )
        listens = [
            listen
            for person in people
            if person.role is Role.LISTENER and person.registered_date <= day
            for listen in _listens_of(world, person, tracks, fits[person.index], morning)
        ]
        memory.close_day(listens)
        yield listens


def _friends_finished(
    follows: Sequence[Follow], memory: _Memory, day: date
) -> dict[int, list[int]]:
    """By follower: positions that those followed on `day` finished the day before."""
    finished: dict[int, list[int]] = defaultdict(list)
    for follow in follows:
        if follow.holds_on(day):
            finished[follow.follower.index] += memory.yesterday.get(follow.followed.index, [])
    return finished


def _listens_of(
    world: SampleWorld,
    person: Person,
    tracks: Sequence[Track],
    fits: NDArray[np.float64],
    morning: _Morning,
) -> Iterator[Listen]:
    """One person's day; a session has one taste and ends at midnight at the latest."""
    chance = generator(world.seed, "listening", person.index, world.day_number(morning.day))
    second = 0
    for begins_s in _session_starts_s(person, chance):
        mood = _mood(person, fits, morning, chance)
        second = max(second, begins_s)
        for _ in range(1 + int(chance.poisson(MEAN_SESSION_LENGTH - 1))):
            chosen = choose(morning.shelf, mood, chance)
            track = tracks[chosen.position]
            fit = float(fits[:, chosen.position].max())
            is_finished = bool(chance.random() < 1 / (1 + np.exp(_EVEN_FIT - fit)))
            played_ms = _played_ms(track, is_finished=is_finished, chance=chance)
            if second + played_ms // 1000 >= _DAY_S:
                return
            began_at = _at(morning.day, second)
            yield Listen(person, track, began_at, played_ms, chosen.is_organic, is_finished, fit)
            second += played_ms // 1000 + _PAUSE_S


def _mood(
    person: Person, fits: NDArray[np.float64], morning: _Morning, chance: np.random.Generator
) -> Mood:
    taste = int(chance.choice(len(person.taste_shares), p=person.taste_shares))
    return Mood(
        fit=fits[taste],
        running_odds=morning.shelf.running_odds[person.index][taste],
        finished=morning.lately.get(person.index, ()),
        friends_finished=morning.friends_finished.get(person.index, ()),
    )


def _session_starts_s(person: Person, chance: np.random.Generator) -> list[int]:
    """Seconds after midnight, in order, around the usual hour."""
    hours = chance.normal(
        person.usual_hour, _HOURS_SPREAD, size=chance.poisson(person.sessions_per_day)
    )
    return sorted(int(hour * 3600) for hour in np.clip(hours, 0, 23.5))


def _played_ms(track: Track, *, is_finished: bool, chance: np.random.Generator) -> int:
    share = chance.uniform(0.85, 1.0) if is_finished else chance.uniform(0.02, 0.35)
    return int(share * track.duration_ms)


def _at(day: date, second: int) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(seconds=second)
