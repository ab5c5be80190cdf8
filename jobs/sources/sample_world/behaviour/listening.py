"""Simulates the listens of the sample world day by day, in sessions with repeats and skips."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from jobs.inputs import Slice
from jobs.sources.sample_world.behaviour.choices import (
    ChoiceContext,
    DayCatalogue,
    build_day_catalogue,
    choose_track,
)
from jobs.sources.sample_world.behaviour.users import MEAN_SESSION_LENGTH, Follow, User, UserRole
from jobs.sources.sample_world.catalogue import Track, withdrawn_on
from jobs.sources.sample_world.options import SampleWorld
from jobs.sources.sample_world.rng import generator

_N_RECENT = 40  # finished listens that repeats are drawn from
_EVEN_AFFINITY = 2.5  # half of such listens are finished; a taste's own genre starts at 4
_SESSION_HOUR_SD = 2.5
_PAUSE_S = 4  # between two listens of a session
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Listen:
    """One listen, finished or skipped; `affinity` is the largest taste · latent of the listener."""

    user: User
    track: Track
    listened_at_utc: datetime
    played_ms: int
    is_organic: bool
    is_finished: bool
    affinity: float


@dataclass(slots=True)
class _FinishedTracks:
    """Positions of finished tracks by user index: recent ones, and those of the day before."""

    recent: dict[int, deque[int]] = field(
        default_factory=lambda: defaultdict(lambda: deque(maxlen=_N_RECENT))
    )
    yesterday: dict[int, list[int]] = field(default_factory=dict)

    def add_day(self, listens: Sequence[Listen]) -> None:
        """Add the finished listens of a day, which becomes yesterday."""
        finished: dict[int, list[int]] = defaultdict(list)
        for listen in listens:
            if listen.is_finished:
                finished[listen.user.index].append(listen.track.position)
        for index, positions in finished.items():
            self.recent[index].extend(positions)
        self.yesterday = finished


@dataclass(frozen=True, slots=True)
class _DayState:
    """State at the start of a day; `recent` and `finished_by_followed` by user index."""

    day: date
    catalogue: DayCatalogue
    recent: Mapping[int, Sequence[int]]
    finished_by_followed: Mapping[int, Sequence[int]]


def listens_by_day(
    world: SampleWorld,
    tracks: Sequence[Track],
    users: Sequence[User],
    follows: Sequence[Follow],
    days: Slice,
) -> Iterator[list[Listen]]:
    """The listens of each day, by user and time.

    Args:
        world: its options.
        tracks: by position; all that are available up to the last day.
        users: by index; all that are registered up to the last day.
        follows: of those users.
        days: must begin on the world's first day, because each day depends on earlier days.
    """
    latents = np.stack([track.latent(world.n_genres) for track in tracks])
    affinities = [user.tastes @ latents.T for user in users]  # each (n_tastes, n_tracks)
    finished_tracks, withdrawn = _FinishedTracks(), set[int]()
    for day in days:
        withdrawn_today = withdrawn_on(world, world.day_number(day))
        withdrawn |= set() if withdrawn_today is None else {withdrawn_today}
        state = _DayState(
            day=day,
            catalogue=build_day_catalogue(tracks, affinities, withdrawn, day),
            recent=finished_tracks.recent,
            finished_by_followed=_finished_by_followed(follows, finished_tracks, day),
        )
        listens = [
            listen
            for user in users
            if user.role is UserRole.LISTENER and user.registered_date <= day
            for listen in _simulate_day(world, user, tracks, affinities[user.index], state)
        ]
        finished_tracks.add_day(listens)
        yield listens


def _finished_by_followed(
    follows: Sequence[Follow], finished_tracks: _FinishedTracks, day: date
) -> dict[int, list[int]]:
    """By follower: positions that the users followed on `day` finished the day before."""
    finished: dict[int, list[int]] = defaultdict(list)
    for follow in follows:
        if follow.is_active_on(day):
            finished[follow.follower.index] += finished_tracks.yesterday.get(
                follow.followed.index, []
            )
    return finished


def _simulate_day(
    world: SampleWorld,
    user: User,
    tracks: Sequence[Track],
    affinities: NDArray[np.float64],
    state: _DayState,
) -> Iterator[Listen]:
    """One user's listens of a day; no listen runs past midnight."""
    rng = generator(world.seed, "listening", user.index, world.day_number(state.day))
    second = 0
    for start_s in _session_starts_s(user, rng):
        context = _choice_context(user, affinities, state, rng)
        second = max(second, start_s)
        for _ in range(1 + int(rng.poisson(MEAN_SESSION_LENGTH - 1))):
            choice = choose_track(state.catalogue, context, rng)
            track = tracks[choice.position]
            affinity = float(affinities[:, choice.position].max())
            is_finished = bool(rng.random() < 1 / (1 + np.exp(_EVEN_AFFINITY - affinity)))
            played_ms = _played_ms(track, is_finished=is_finished, rng=rng)
            if second + played_ms // 1000 >= _DAY_S:
                return
            listened_at = _time_of_day(state.day, second)
            yield Listen(
                user, track, listened_at, played_ms, choice.is_organic, is_finished, affinity
            )
            second += played_ms // 1000 + _PAUSE_S


def _session_starts_s(user: User, rng: np.random.Generator) -> list[int]:
    """Seconds after midnight, in order, around the user's usual hour."""
    start_hours = rng.normal(
        user.usual_hour, _SESSION_HOUR_SD, size=rng.poisson(user.sessions_per_day)
    )
    return sorted(int(hour * 3600) for hour in np.clip(start_hours, 0, 23.5))


def _choice_context(
    user: User, affinities: NDArray[np.float64], state: _DayState, rng: np.random.Generator
) -> ChoiceContext:
    """The context of a session, whose taste is drawn by `taste_shares`."""
    taste = int(rng.choice(len(user.taste_shares), p=user.taste_shares))
    return ChoiceContext(
        affinity=affinities[taste],
        cumulative_probabilities=state.catalogue.cumulative_probabilities[user.index][taste],
        finished=state.recent.get(user.index, ()),
        finished_by_followed=state.finished_by_followed.get(user.index, ()),
    )


def _played_ms(track: Track, *, is_finished: bool, rng: np.random.Generator) -> int:
    share = rng.uniform(0.85, 1.0) if is_finished else rng.uniform(0.02, 0.35)
    return int(share * track.duration_ms)


def _time_of_day(day: date, second: int) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(seconds=second)
