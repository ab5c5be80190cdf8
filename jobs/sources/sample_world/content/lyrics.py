"""Lyrics of the sample world: verses and a chorus, by mood and genre."""

from __future__ import annotations

import numpy as np

from jobs.sources.sample_world.catalogue import Track
from jobs.sources.sample_world.genres import Genre
from jobs.sources.sample_world.rng import generator
from jobs.sources.sample_world.words import ADJECTIVES, FEELINGS, LINES

N_VERSES = 3
LINES_PER_VERSE = 4
LINES_PER_CHORUS = 2


def write_lyrics(track: Track, seed: int) -> str:
    """Lyrics of a track: verses, each followed by the same chorus.

    The nearer a track's valence is to 0, the more lines of its verses come from other moods, so
    lyrics reveal the mood of most tracks but not of all.
    """
    rng = generator(seed, "lyrics", track.position)
    chorus = [_line(track.mood, track.artist.genre, rng) for _ in range(LINES_PER_CHORUS)]
    verses = [
        [_line(_mood_of_line(track, rng), track.artist.genre, rng) for _ in range(LINES_PER_VERSE)]
        for _ in range(N_VERSES)
    ]
    return "\n\n".join("\n".join(part) for verse in verses for part in (verse, chorus)) + "\n"


def _mood_of_line(track: Track, rng: np.random.Generator) -> str:
    own_share = 0.6 + 0.4 * abs(track.valence)
    if rng.random() < own_share:
        return track.mood
    return str(rng.choice(list(LINES)))


def _line(mood: str, genre: Genre, rng: np.random.Generator) -> str:
    return str(rng.choice(LINES[mood])).format(
        adjective=rng.choice(ADJECTIVES[mood]),
        feeling=rng.choice(FEELINGS[mood]),
        noun=rng.choice(genre.nouns),
        place=rng.choice(genre.places),
    )
