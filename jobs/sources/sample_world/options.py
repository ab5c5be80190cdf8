"""The options of a sample world: every size, ratio and date, and the seed of all the rest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from jobs.inputs import Slice
from jobs.sources.sample_world.genres import GENRES


class SampleWorldError(ValueError):
    """An option of the sample world has a value that it cannot have."""


@dataclass(frozen=True, slots=True)
class SampleWorld:
    """A little music service. The same options give the same bytes; more days only add to them.

    Attributes:
        first_day: day on which the service opens and its back catalogue arrives.
        n_days: days of listening; `last_day` is the as_of of a first night.
        n_tracks_at_start: back catalogue, released before `first_day`.
        n_releases_per_day: tracks that are announced, with their content, on each day.
        n_users_at_start: people registered before `first_day`.
        signup_every_days: one more person registers every so many days; 0 for never.
        withdrawal_every_days: one track leaves the catalogue every so many days; 0 for never.
        listens_per_user_day: mean over people who listen.
        clip_s: length of each audio file; the catalogue's durations are those of whole tracks.
        cover_px: side of the square covers.
        audio_missing_every: each so many-th track has no audio; 0 for none. Likewise the others.
        silent_user_ratio: people without a listen or a follow; at least one.
        follows_only_user_ratio: people who follow others and have no listen; at least one.
        opted_out_user_ratio: people who want no recommendations; at least one.
        has_faults: land deliberately bad rows and files as well (see faults.py).
        faulty_content_every: each so many-th track has a broken file of each kind.
        faulty_listens_every_days: bad listens arrive every so many days, from the first.
    """

    seed: int = 11
    first_day: date = date(2026, 1, 15)
    n_days: int = 45
    n_genres: int = len(GENRES)
    n_artists: int = 40
    n_tracks_at_start: int = 170
    n_releases_per_day: int = 2
    n_users_at_start: int = 212
    signup_every_days: int = 5
    withdrawal_every_days: int = 9
    listens_per_user_day: float = 4.0
    follows_per_user: float = 6.0
    clip_s: float = 9.0
    sample_rate_hz: int = 22_050
    cover_px: int = 256
    audio_missing_every: int = 23
    cover_missing_every: int = 17
    lyrics_missing_every: int = 13
    instrumental_every: int = 9
    silent_user_ratio: float = 0.03
    follows_only_user_ratio: float = 0.04
    opted_out_user_ratio: float = 0.01
    has_faults: bool = True
    faulty_content_every: int = 60
    faulty_listens_every_days: int = 6

    def __post_init__(self) -> None:
        """Refuse sizes without a meaning, naming the option and the value."""
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                raise SampleWorldError(
                    f"sample world: {name} = {getattr(self, name)}; must be at least {least}"
                )
        if self.n_genres > len(GENRES):
            raise SampleWorldError(
                f"sample world: n_genres = {self.n_genres}; genres.py has {len(GENRES)}"
            )
        if self.n_artists < self.n_genres:
            raise SampleWorldError(
                f"sample world: n_artists = {self.n_artists}; "
                f"must be at least n_genres = {self.n_genres}"
            )

    @property
    def last_day(self) -> date:
        """The last of `n_days`."""
        return self.first_day + timedelta(days=self.n_days - 1)

    @property
    def days(self) -> Slice:
        """All days, half-open."""
        return Slice(self.first_day, self.last_day + timedelta(days=1))

    @property
    def n_tracks(self) -> int:
        """Tracks announced up to `last_day`; releases begin on the second day."""
        return self.n_tracks_by(self.n_days - 1)

    def n_tracks_by(self, day_number: int) -> int:
        """Tracks announced up to a day, counted from 0 on `first_day`."""
        return self.n_tracks_at_start + self.n_releases_per_day * day_number

    def n_users_by(self, day_number: int) -> int:
        """People registered up to a day, counted from 0 on `first_day`."""
        every = self.signup_every_days
        return self.n_users_at_start + (day_number // every if every else 0)

    def day_number(self, day: date) -> int:
        """0 on `first_day`, negative before it."""
        return (day - self.first_day).days


_LEAST = {
    "seed": 0,
    "n_days": 1,
    "n_genres": 1,
    "n_artists": 1,
    "n_tracks_at_start": 1,
    "n_releases_per_day": 0,
    "n_users_at_start": 4,  # one of each role and one who listens
    "signup_every_days": 0,
    "withdrawal_every_days": 0,
    "listens_per_user_day": 0,
    "follows_per_user": 0,
    "clip_s": 0.5,
    "sample_rate_hz": 8_000,
    "cover_px": 16,
    "audio_missing_every": 0,
    "cover_missing_every": 0,
    "lyrics_missing_every": 0,
    "instrumental_every": 0,
    "faulty_content_every": 1,
    "faulty_listens_every_days": 1,
}
