"""Artists, albums and tracks of the sample world, with the latent vectors that tastes match.

    latent = [genre (n_genres), artist's style plus the track's own (3), valence, arousal]

The same numbers steer sound, words and pictures, so content says who will like a track: the three
parts of style are brightness, note density and softness of attack.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from jobs.sources.sample_world.content.words import ADJECTIVES, mood_of
from jobs.sources.sample_world.genres import GENRES, Genre
from jobs.sources.sample_world.options import SampleWorld
from jobs.sources.sample_world.rng import generator

N_STYLES = 3
KINSHIP = 0.4  # how much of a neighbouring genre there is in each: lovers of one half like the next
TRACKS_PER_ALBUM = 4
CODECS = ("flac", "ogg", "mp3")
_BACK_CATALOGUE_DAYS = 3 * 365
_MOOD_OF_GENRE = {  # valence, arousal: where a genre's tracks gather
    "ambient": (0.2, -0.7),
    "folk": (-0.1, -0.3),
    "jazz": (0.1, -0.1),
    "metal": (-0.6, 0.8),
    "techno": (0.0, 0.6),
    "hip hop": (-0.2, 0.2),
    "pop": (0.5, 0.4),
    "reggae": (0.5, -0.2),
}
_FIRST_WORDS = ("Amber", "Paper", "Northern", "Silent", "Velvet", "Hollow", "Golden", "Electric")
_SECOND_WORDS = ("Foxes", "Harbour", "Parade", "Lanterns", "Static", "Orchard", "Engines", "Choir")


@dataclass(frozen=True, slots=True)
class Artist:
    """One artist; `style` is (brightness, density, softness), each about standard normal."""

    artist_id: str
    name: str
    genre_index: int
    style: NDArray[np.float64]
    valence: float
    arousal: float
    fame: float  # log of the share of attention

    @property
    def genre(self) -> Genre:
        """What the artist plays."""
        return GENRES[self.genre_index]


@dataclass(frozen=True, slots=True)
class Track:
    """One track; `position` counts all tracks from 0 in the order of their announcement."""

    position: int
    track_id: str
    title: str
    artist: Artist
    album_id: str | None
    album_title: str | None
    announced_day: date
    released_date: date
    duration_ms: int
    style: NDArray[np.float64]
    valence: float
    arousal: float
    fame: float
    is_instrumental: bool
    has_audio: bool
    has_cover: bool
    has_lyrics: bool

    @property
    def codec(self) -> str:
        """Format of the audio file."""
        return CODECS[self.position % len(CODECS)]

    @property
    def mood(self) -> str:
        """The quadrant of the valence-arousal plane, in a word."""
        return mood_of(self.valence, self.arousal)

    def latent(self, n_genres: int) -> NDArray[np.float64]:
        """What taste is matched with, shape (n_genres + 5,)."""
        genre = genre_vector(self.artist.genre_index, n_genres)
        return np.concatenate([genre, self.style, [self.valence, self.arousal]])


def genre_vector(genre_index: int, n_genres: int) -> NDArray[np.float64]:
    """Unit vector of a genre, shape (n_genres,), leaning to the next genre by KINSHIP."""
    vector = np.zeros(n_genres)
    vector[genre_index] = 1.0
    vector[(genre_index + 1) % n_genres] += KINSHIP
    unit: NDArray[np.float64] = vector / np.linalg.norm(vector)
    return unit


def make_artists(world: SampleWorld) -> list[Artist]:
    """All artists; every genre has at least one."""
    return [_artist(world, index) for index in range(world.n_artists)]


def make_tracks(world: SampleWorld, artists: list[Artist], n_tracks: int) -> list[Track]:
    """The first `n_tracks` tracks; asking for more later gives the same ones first."""
    released = [0] * len(artists)
    tracks = []
    for position in range(n_tracks):
        chosen = _artist_of_track(world, artists, position)
        tracks.append(_track(world, artists[chosen], position, released[chosen]))
        released[chosen] += 1
    return tracks


def withdrawn_on(world: SampleWorld, day_number: int) -> int | None:
    """Position of the track that leaves the catalogue on a day; None on most days.

    Tracks of the back catalogue leave, each once, in an order drawn from the seed.
    """
    every = world.withdrawal_every_days
    if not every or (day_number + 1) % every:
        return None
    order = generator(world.seed, "withdrawals").permutation(world.n_tracks_at_start)
    turn = (day_number + 1) // every - 1
    return int(order[turn]) if turn < len(order) else None


def _artist(world: SampleWorld, index: int) -> Artist:
    chance = generator(world.seed, "artist", index)
    genre_index = index % world.n_genres
    valence, arousal = _MOOD_OF_GENRE[GENRES[genre_index].name]
    return Artist(
        artist_id=f"artist-{index:03d}",
        name=_artist_name(index),
        genre_index=genre_index,
        style=chance.normal(size=N_STYLES),
        valence=valence + 0.3 * chance.normal(),
        arousal=arousal + 0.2 * chance.normal(),
        fame=0.6 * chance.normal(),
    )


def _artist_name(index: int) -> str:
    """Different for each artist; after 64 artists names get a number."""
    turn, within = divmod(index, len(_FIRST_WORDS) * len(_SECOND_WORDS))
    row, column = divmod(within, len(_SECOND_WORDS))
    words = f"{_FIRST_WORDS[(row + column) % len(_FIRST_WORDS)]} {_SECOND_WORDS[column]}"
    return words if turn == 0 else f"{words} {turn + 1}"


def _artist_of_track(world: SampleWorld, artists: list[Artist], position: int) -> int:
    """Each artist has a first track; from then on famous artists release more."""
    if position < len(artists):
        return position
    weights = np.exp([artist.fame for artist in artists])
    chance = generator(world.seed, "artist of track", position)
    return int(chance.choice(len(artists), p=weights / weights.sum()))


def _track(world: SampleWorld, artist: Artist, position: int, nth_of_artist: int) -> Track:
    chance = generator(world.seed, "track", position)
    announced_day, released_date = _dates(world, position, chance)
    valence = float(np.clip(artist.valence + 0.35 * chance.normal(), -1, 1))
    arousal = float(np.clip(artist.arousal + 0.25 * chance.normal(), -1, 1))
    # Every other album's worth of tracks are singles, which are on no album.
    album = nth_of_artist // TRACKS_PER_ALBUM
    is_single = album % 2 == 1
    is_instrumental = _is_nth(position, world.instrumental_every)
    return Track(
        position=position,
        track_id=f"track-{position:05d}",
        title=_title(artist.genre, mood_of(valence, arousal), chance),
        artist=artist,
        album_id=None if is_single else f"{artist.artist_id}-album-{album}",
        album_title=None if is_single else _album_title(world, artist, album),
        announced_day=announced_day,
        released_date=released_date,
        duration_ms=int(chance.integers(150, 280)) * 1000,
        style=artist.style + 0.35 * chance.normal(size=N_STYLES),
        valence=valence,
        arousal=arousal,
        fame=artist.fame + 0.7 * chance.normal(),
        is_instrumental=is_instrumental,
        has_audio=not _is_nth(position, world.audio_missing_every),
        has_cover=not _is_nth(position, world.cover_missing_every),
        has_lyrics=not is_instrumental and not _is_nth(position, world.lyrics_missing_every),
    )


def _dates(world: SampleWorld, position: int, chance: np.random.Generator) -> tuple[date, date]:
    """Day of announcement and of release: the same day, except for the back catalogue."""
    later = position - world.n_tracks_at_start
    if later < 0:
        age_days = int(chance.integers(1, _BACK_CATALOGUE_DAYS))
        return world.first_day, world.first_day - timedelta(days=age_days)
    day = world.first_day + timedelta(days=1 + later // world.n_releases_per_day)
    return day, day


def _is_nth(position: int, every: int) -> bool:
    return every > 0 and position % every == every - 1


def _title(genre: Genre, mood: str, chance: np.random.Generator) -> str:
    noun = str(chance.choice(genre.nouns)).capitalize()
    place = str(chance.choice(genre.places)).title()
    adjective = str(chance.choice(ADJECTIVES[mood])).capitalize()
    shapes = (
        f"{noun} {place}",
        f"{adjective} {noun}",
        f"The Last {noun} {place}",
        f"{adjective} {noun} {place}",
    )
    return shapes[int(chance.integers(len(shapes)))]


def _album_title(world: SampleWorld, artist: Artist, album: int) -> str:
    chance = generator(world.seed, artist.artist_id, "album", album)
    return f"{str(chance.choice(artist.genre.nouns)).capitalize()} Songs {album // 2 + 1}"
