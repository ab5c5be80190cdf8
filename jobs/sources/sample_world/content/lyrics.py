"""Lyrics of the sample world: lines by mood, about the genre's things, in verses and a chorus."""

from __future__ import annotations

import numpy as np

from jobs.sources.sample_world.catalogue import Track
from jobs.sources.sample_world.content.words import ADJECTIVES, FEELINGS, LINES
from jobs.sources.sample_world.genres import Genre
from jobs.sources.sample_world.rng import generator

N_VERSES = 3
LINES_PER_VERSE = 4
LINES_PER_CHORUS = 2


def write_lyrics(track: Track, seed: int) -> str:
    """The words of a track that has some: verses with a chorus after each.

    A chorus comes back unchanged; a verse may borrow a line from another mood where the track's
    own valence is weak, so that words tell the mood of most tracks and not of all.
    """
    chance = generator(seed, "lyrics", track.position)
    chorus = [_line(track.mood, track.artist.genre, chance) for _ in range(LINES_PER_CHORUS)]
    verses = [
        [
            _line(_mood_of_line(track, chance), track.artist.genre, chance)
            for _ in range(LINES_PER_VERSE)
        ]
        for _ in range(N_VERSES)
    ]
    return "\n\n".join("\n".join(part) for verse in verses for part in (verse, chorus)) + "\n"


def _mood_of_line(track: Track, chance: np.random.Generator) -> str:
    own_share = 0.6 + 0.4 * abs(track.valence)
    if chance.random() < own_share:
        return track.mood
    return str(chance.choice(list(LINES)))


def _line(mood: str, genre: Genre, chance: np.random.Generator) -> str:
    return str(chance.choice(LINES[mood])).format(
        adjective=chance.choice(ADJECTIVES[mood]),
        feeling=chance.choice(FEELINGS[mood]),
        noun=chance.choice(genre.nouns),
        place=chance.choice(genre.places),
    )
