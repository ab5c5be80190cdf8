"""The recorded figures of the demo and of sample_world describe one world: this one."""

from __future__ import annotations

import hashlib

import pytest

from jobs.sources.sample_world import catalogue, words
from jobs.sources.sample_world.genres import GENRES

DIGESTS = {
    "genres": "afbd4ded902c9c2c",
    "words": "1869d5824263039a",
    "catalogue": "b34b614b5078660c",
}
DEFINITIONS = {
    "genres": GENRES,
    "words": (words.MOODS, words.ADJECTIVES, words.FEELINGS, words.LINES),
    "catalogue": (
        catalogue.N_STYLES, catalogue.NEIGHBOUR_GENRE_WEIGHT, catalogue.TRACKS_PER_ALBUM,
        catalogue.CODECS, catalogue._BACK_CATALOGUE_DAYS, catalogue._MOOD_OF_GENRE,
        catalogue._FIRST_WORDS, catalogue._SECOND_WORDS,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DEFINITIONS)
def test_what_defines_the_world_has_not_changed_since_its_figures_were_recorded(name):
    """Who changes it records demo, sample_world and robustness anew, and writes the new digest here."""
    found = hashlib.sha256(repr(DEFINITIONS[name]).encode()).hexdigest()

    assert found[:16] == DIGESTS[name]
