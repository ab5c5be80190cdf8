"""Artists, albums and tracks of the sample world, with their latent vectors.

    latent = [genre (n_genres), artist's style plus the track's own (3), valence, arousal]

The latent also sets the sound, words and images of a track, so content predicts who likes it. The
three parts of style are brightness, note density and softness of attack.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from jobs.sources.sample_world.genres import GENRES, Genre
from jobs.sources.sample_world.options import SampleWorld
from jobs.sources.sample_world.rng import generator
from jobs.sources.sample_world.words import ADJECTIVES, mood_of

N_STYLES = 3
NEIGHBOUR_GENRE_WEIGHT = 0.4  # of the next genre in each: its lovers half like the next one
TRACKS_PER_ALBUM = 4
CODECS = ("flac", "ogg", "mp3")
_BACK_CATALOGUE_DAYS = 3 * 365
_MOOD_OF_GENRE = {  # mean valence and arousal of a genre's tracks
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
    """One artist; `style` is (brightness, density, softness), each standard normal."""

    artist_id: str
    name: str
    genre_index: int
    style: NDArray[np.float64]
    valence: float
    arousal: float
    popularity: float  # log weight among artists

    @property
    def genre(self) -> Genre:
        """The artist's genre."""
        return GENRES[self.genre_index]


@dataclass(frozen=True, slots=True)
class Track:
    """One track; `position` counts tracks from 0 in the order of `available_from`."""

    position: int
    track_id: str
    title: str
    artist: Artist
    album_id: str | None
    album_title: str | None
    available_from: date
    released_date: date
    duration_ms: int
    style: NDArray[np.float64]
    valence: float
    arousal: float
    popularity: float
    is_instrumental: bool
    has_audio: bool
    has_cover: bool
    has_lyrics: bool

    @property
    def codec(self) -> str:
        """Audio format and file extension."""
        return CODECS[self.position % len(CODECS)]

    @property
    def mood(self) -> str:
        """The word of MOODS for the track's valence and arousal."""
        return mood_of(self.valence, self.arousal)

    def latent(self, n_genres: int) -> NDArray[np.float64]:
        """The latent vector, shape (n_genres + 5,)."""
        genre = genre_vector(self.artist.genre_index, n_genres)
        return np.concatenate([genre, self.style, [self.valence, self.arousal]])


def genre_vector(genre_index: int, n_genres: int) -> NDArray[np.float64]:
    """Unit vector of a genre with a share of the next genre, shape (n_genres,)."""
    vector = np.zeros(n_genres)
    vector[genre_index] = 1.0
    vector[(genre_index + 1) % n_genres] += NEIGHBOUR_GENRE_WEIGHT
    unit: NDArray[np.float64] = vector / np.linalg.norm(vector)
    return unit


def make_artists(world: SampleWorld) -> list[Artist]:
    """All artists, at least one per genre."""
    return [_make_artist(world, index) for index in range(world.n_artists)]


def make_tracks(world: SampleWorld, artists: list[Artist], n_tracks: int) -> list[Track]:
    """The first `n_tracks` tracks; a larger `n_tracks` only appends tracks."""
    n_released = [0] * len(artists)
    tracks = []
    for position in range(n_tracks):
        index = _artist_of_track(world, artists, position)
        tracks.append(_make_track(world, artists[index], position, n_released[index]))
        n_released[index] += 1
    return tracks


def withdrawn_on(world: SampleWorld, day_number: int) -> int | None:
    """Position of the track that is withdrawn on a day; None on most days.

    Only tracks of the back catalogue are withdrawn, each once, in an order drawn from the seed.
    """
    every = world.withdrawal_every_days
    if not every or (day_number + 1) % every:
        return None
    order = generator(world.seed, "withdrawals").permutation(world.n_tracks_at_start)
    nth = (day_number + 1) // every - 1
    return int(order[nth]) if nth < len(order) else None


def _make_artist(world: SampleWorld, index: int) -> Artist:
    rng = generator(world.seed, "artist", index)
    genre_index = index % world.n_genres
    valence, arousal = _MOOD_OF_GENRE[GENRES[genre_index].name]
    return Artist(
        artist_id=f"artist-{index:03d}",
        name=_artist_name(index),
        genre_index=genre_index,
        style=rng.normal(size=N_STYLES),
        valence=valence + 0.3 * rng.normal(),
        arousal=arousal + 0.2 * rng.normal(),
        popularity=0.6 * rng.normal(),
    )


def _artist_name(index: int) -> str:
    """A unique name; after 64 artists names get a number."""
    cycle, within = divmod(index, len(_FIRST_WORDS) * len(_SECOND_WORDS))
    row, column = divmod(within, len(_SECOND_WORDS))
    words = f"{_FIRST_WORDS[(row + column) % len(_FIRST_WORDS)]} {_SECOND_WORDS[column]}"
    return words if cycle == 0 else f"{words} {cycle + 1}"


def _artist_of_track(world: SampleWorld, artists: list[Artist], position: int) -> int:
    """Index of the track's artist: one track each first, then more for popular artists."""
    if position < len(artists):
        return position
    weights = np.exp([artist.popularity for artist in artists])
    rng = generator(world.seed, "artist of track", position)
    return int(rng.choice(len(artists), p=weights / weights.sum()))


def _make_track(world: SampleWorld, artist: Artist, position: int, nth_of_artist: int) -> Track:
    rng = generator(world.seed, "track", position)
    available_from, released_date = _dates(world, position, rng)
    valence = float(np.clip(artist.valence + 0.35 * rng.normal(), -1, 1))
    arousal = float(np.clip(artist.arousal + 0.25 * rng.normal(), -1, 1))
    # Every second group of TRACKS_PER_ALBUM tracks consists of singles.
    album = nth_of_artist // TRACKS_PER_ALBUM
    is_single = album % 2 == 1
    is_instrumental = _is_nth(position, world.instrumental_every)
    return Track(
        position=position,
        track_id=f"track-{position:05d}",
        title=_title(artist.genre, mood_of(valence, arousal), rng),
        artist=artist,
        album_id=None if is_single else f"{artist.artist_id}-album-{album}",
        album_title=None if is_single else _album_title(world, artist, album),
        available_from=available_from,
        released_date=released_date,
        duration_ms=int(rng.integers(150, 280)) * 1000,
        style=artist.style + 0.35 * rng.normal(size=N_STYLES),
        valence=valence,
        arousal=arousal,
        popularity=artist.popularity + 0.7 * rng.normal(),
        is_instrumental=is_instrumental,
        has_audio=not _is_nth(position, world.audio_missing_every),
        has_cover=not _is_nth(position, world.cover_missing_every),
        has_lyrics=not is_instrumental and not _is_nth(position, world.lyrics_missing_every),
    )


def _dates(world: SampleWorld, position: int, rng: np.random.Generator) -> tuple[date, date]:
    """`available_from` and `released_date`; they differ for the back catalogue only."""
    nth_release = position - world.n_tracks_at_start
    if nth_release < 0:
        age_days = int(rng.integers(1, _BACK_CATALOGUE_DAYS))
        return world.first_day, world.first_day - timedelta(days=age_days)
    day = world.first_day + timedelta(days=1 + nth_release // world.n_releases_per_day)
    return day, day


def _is_nth(position: int, every: int) -> bool:
    return every > 0 and position % every == every - 1


def _title(genre: Genre, mood: str, rng: np.random.Generator) -> str:
    noun = str(rng.choice(genre.nouns)).capitalize()
    location = str(rng.choice(genre.places)).title()
    adjective = str(rng.choice(ADJECTIVES[mood])).capitalize()
    templates = (
        f"{noun} {location}",
        f"{adjective} {noun}",
        f"The Last {noun} {location}",
        f"{adjective} {noun} {location}",
    )
    return templates[int(rng.integers(len(templates)))]


def _album_title(world: SampleWorld, artist: Artist, album: int) -> str:
    rng = generator(world.seed, artist.artist_id, "album", album)
    return f"{str(rng.choice(artist.genre.nouns)).capitalize()} Songs {album // 2 + 1}"
