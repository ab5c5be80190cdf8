"""Users of the sample world: tastes, roles, activity and follows.

A user has one to three tastes, each a vector in the latent space of the tracks. The user's affinity
for a track is the largest dot product of a taste with the track's latent.
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

MOOD_WEIGHT = 1.2
_TASTE_COUNT_PROBABILITIES = (0.4, 0.4, 0.2)  # of one, two and three tastes
MEAN_SESSION_LENGTH = 5.0  # listens
_NAMED_TO_OTHERS_RATIO = 0.5
_EARLY_FOLLOW_RATIO = 0.7
_UNFOLLOW_RATIO = 0.06
_MEAN_DAYS_TO_CHANGE = 25


class UserRole(Enum):
    """Activity of a user on the service."""

    LISTENER = "listener"
    SILENT = "silent"  # registered, neither listens nor follows
    FOLLOWS_ONLY = "follows_only"  # follows others and never listens


@dataclass(frozen=True, slots=True)
class User:
    """One user of the service.

    Attributes:
        tastes: shape (n_tastes, n_genres + 5).
        taste_shares: share of sessions with each taste, shape (n_tastes,), sums to 1.
        sessions_per_day: mean number.
        usual_hour: mean hour of the day at which sessions start.
    """

    index: int
    user_id: str
    role: UserRole
    registered_date: date
    is_opted_out: bool
    is_named_to_others: bool
    tastes: NDArray[np.float64]
    taste_shares: NDArray[np.float64]
    sessions_per_day: float
    usual_hour: float

    @property
    def mean_taste(self) -> NDArray[np.float64]:
        """Tastes weighted by their shares, shape (n_genres + 5,)."""
        mean: NDArray[np.float64] = self.taste_shares @ self.tastes
        return mean


@dataclass(frozen=True, slots=True)
class Follow:
    """A user follows another from `from_date` until before `until_date`."""

    follower: User
    followed: User
    from_date: date
    until_date: date | None

    def is_active_on(self, day: date) -> bool:
        """Whether the follow exists on a day."""
        return self.from_date <= day and (self.until_date is None or day < self.until_date)


def make_users(world: SampleWorld, n_users: int) -> list[User]:
    """The first `n_users` users; a larger `n_users` only appends users."""
    return [_make_user(world, index) for index in range(n_users)]


def make_follows(world: SampleWorld, users: list[User]) -> list[Follow]:
    """All follows, past and present, by follower; similar tastes are followed more often."""
    follows = []
    for follower in users:
        if follower.role is not UserRole.SILENT:
            follows += _follows_of(world, follower, users)
    return follows


def _make_user(world: SampleWorld, index: int) -> User:
    rng = generator(world.seed, "person", index)
    n_tastes = 1 + int(rng.choice(len(_TASTE_COUNT_PROBABILITIES), p=_TASTE_COUNT_PROBABILITIES))
    n_tastes = min(n_tastes, world.n_genres)
    genres = rng.choice(world.n_genres, size=n_tastes, replace=False)
    return User(
        index=index,
        user_id=f"user-{index:04d}",
        role=_user_role(world, index),
        registered_date=_registered_date(world, index, rng),
        is_opted_out=_is_opted_out(world, index),
        is_named_to_others=bool(rng.random() < _NAMED_TO_OTHERS_RATIO),
        tastes=np.stack([_taste(world, int(genre), rng) for genre in genres]),
        taste_shares=rng.dirichlet(np.full(n_tastes, 3.0)),
        sessions_per_day=_sessions_per_day(world) * float(rng.lognormal(-0.18, 0.6)),
        usual_hour=float(rng.uniform(7, 22)),
    )


def _sessions_per_day(world: SampleWorld) -> float:
    return world.listens_per_user_day / MEAN_SESSION_LENGTH


def _taste(world: SampleWorld, genre_index: int, rng: np.random.Generator) -> NDArray[np.float64]:
    genre = world.genre_weight * genre_vector(genre_index, world.n_genres)
    style = world.style_weight * rng.normal(size=N_STYLES)
    mood = MOOD_WEIGHT * rng.normal(size=2)
    return np.concatenate([genre, style, mood])


def _user_role(world: SampleWorld, index: int) -> UserRole:
    """The first users are silent, the next only follow, all others listen."""
    n_silent = _at_least_one(world.silent_user_ratio, world)
    n_follow_only = _at_least_one(world.follows_only_user_ratio, world)
    if index < n_silent:
        return UserRole.SILENT
    return UserRole.FOLLOWS_ONLY if index < n_silent + n_follow_only else UserRole.LISTENER


def _is_opted_out(world: SampleWorld, index: int) -> bool:
    """The last users at the start opted out; they listen like others."""
    n_opted_out = _at_least_one(world.opted_out_user_ratio, world)
    return world.n_users_at_start - n_opted_out <= index < world.n_users_at_start


def _at_least_one(ratio: float, world: SampleWorld) -> int:
    return max(1, round(ratio * world.n_users_at_start))


def _registered_date(world: SampleWorld, index: int, rng: np.random.Generator) -> date:
    nth_signup = index - world.n_users_at_start
    if nth_signup < 0:
        return world.first_day - timedelta(days=int(rng.integers(1, 700)))
    return world.first_day + timedelta(days=(nth_signup + 1) * world.signup_every_days)


def _follows_of(world: SampleWorld, follower: User, users: list[User]) -> list[Follow]:
    """All follows of one user.

    Candidates are users at the start and users registered earlier, so that more days of the same
    world change no earlier follow.
    """
    rng = generator(world.seed, "follows", follower.index)
    n_candidates = max(world.n_users_at_start, follower.index)
    candidates = [
        user
        for user in users[:n_candidates]
        if user.index != follower.index and user.role is UserRole.LISTENER
    ]
    n_follows = max(
        int(rng.poisson(world.follows_per_user)), int(follower.role is UserRole.FOLLOWS_ONLY)
    )
    similarities = _taste_similarities(follower, candidates)
    # Gumbel top-k: samples without replacement with odds e^(8 * similarity).
    order = np.argsort(-(8 * similarities + rng.gumbel(size=len(candidates))), kind="stable")
    return [_follow(world, follower, candidates[index], rng) for index in order[:n_follows]]


def _taste_similarities(user: User, others: list[User]) -> NDArray[np.float64]:
    """Cosine of the mean tastes, shape (n_others,)."""
    mean_tastes = np.stack([other.mean_taste for other in others])
    norms = np.linalg.norm(user.mean_taste) * np.linalg.norm(mean_tastes, axis=1)
    cosines: NDArray[np.float64] = mean_tastes @ user.mean_taste / norms
    return cosines


def _follow(world: SampleWorld, follower: User, followed: User, rng: np.random.Generator) -> Follow:
    earliest = max(follower.registered_date, followed.registered_date)
    wait_days = int(rng.geometric(1 / _MEAN_DAYS_TO_CHANGE))
    is_follows_only = follower.role is UserRole.FOLLOWS_ONLY  # they follow early and never unfollow
    is_early = rng.random() < _EARLY_FOLLOW_RATIO or is_follows_only
    from_date = earliest if is_early else max(earliest, world.first_day) + timedelta(days=wait_days)
    kept_days = int(rng.geometric(1 / _MEAN_DAYS_TO_CHANGE))
    is_unfollowed = rng.random() < _UNFOLLOW_RATIO and not is_follows_only
    # A follow that ended before the service opened would never land.
    until_date = max(from_date, world.first_day) + timedelta(days=kept_days)
    return Follow(follower, followed, from_date, until_date if is_unfollowed else None)
