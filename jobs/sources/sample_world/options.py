"""Options of a sample world: sizes, ratios, dates and the seed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from jobs.inputs import Slice
from jobs.sources.sample_world.genres import GENRES


class SampleWorldError(ValueError):
    """An option of the sample world is unknown or has an invalid value."""


@dataclass(frozen=True, slots=True)
class SampleWorld:
    """A small music service. The same options give the same bytes; more days only add files.

    Attributes:
        first_day: day on which the service opens and its back catalogue lands.
        n_days: days of listening; `last_day` is the as_of of the first night.
        n_tracks_at_start: back catalogue, released before `first_day`.
        n_releases_per_day: tracks that land with their content on each later day.
        n_users_at_start: users registered before `first_day`.
        signup_every_days: a user registers every n days; 0 for never.
        withdrawal_every_days: a track leaves the catalogue every n days; 0 for never.
        listens_per_user_day: mean over users who listen.
        genre_weight: how much a listener's own genre counts; at 4 its tracks are e^4, 55 times as
            likely as those of an unrelated one.
        style_weight: how much a standard deviation of an artist's style counts.
        clip_s: length of each audio file; the catalogue's durations are those of whole tracks.
        cover_px: side of the square covers.
        audio_missing_every: every nth track has no audio; 0 for none.
        cover_missing_every, lyrics_missing_every, instrumental_every: likewise.
        silent_user_ratio: users without a listen or a follow; at least one.
        follows_only_user_ratio: users who follow others and have no listen; at least one.
        opted_out_user_ratio: users who opted out of recommendations; at least one.
        n_emotion_texts: labelled sentences, which land on `first_day`; 0 for none.
        has_faults: land bad rows and files on purpose (see faults.py).
        faulty_content_every: every nth track has a broken file of each kind.
        faulty_listens_every_days: bad listens land every n days, from the first.
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
    genre_weight: float = 4.0
    style_weight: float = 0.55
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
    n_emotion_texts: int = 300
    has_faults: bool = True
    faulty_content_every: int = 60
    faulty_listens_every_days: int = 6

    def __post_init__(self) -> None:
        """Raise SampleWorldError for a size out of range, with its option and value."""
        for name, minimum in _MINIMUM.items():
            if getattr(self, name) < minimum:
                raise SampleWorldError(
                    f"sample world: {name} = {getattr(self, name)}; must be at least {minimum}"
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
        """Tracks available by `last_day`; releases begin on the second day."""
        return self.n_tracks_by(self.n_days - 1)

    def n_tracks_by(self, day_number: int) -> int:
        """Tracks available by a day; `day_number` is 0 on `first_day`."""
        return self.n_tracks_at_start + self.n_releases_per_day * day_number

    def n_users_by(self, day_number: int) -> int:
        """Users registered by a day; `day_number` is 0 on `first_day`."""
        every = self.signup_every_days
        return self.n_users_at_start + (day_number // every if every else 0)

    def day_number(self, day: date) -> int:
        """0 on `first_day`, negative before it."""
        return (day - self.first_day).days


_MINIMUM = {
    "seed": 0,
    "n_days": 1,
    "n_genres": 1,
    "n_artists": 1,
    "n_tracks_at_start": 1,
    "n_releases_per_day": 0,
    "n_users_at_start": 4,  # silent, follows only, opted out, and one more listener
    "signup_every_days": 0,
    "withdrawal_every_days": 0,
    "listens_per_user_day": 0,
    "follows_per_user": 0,
    "genre_weight": 0,
    "style_weight": 0,
    "clip_s": 0.5,
    "sample_rate_hz": 8_000,
    "cover_px": 16,
    "audio_missing_every": 0,
    "cover_missing_every": 0,
    "lyrics_missing_every": 0,
    "instrumental_every": 0,
    "n_emotion_texts": 0,
    "faulty_content_every": 1,
    "faulty_listens_every_days": 1,
}
