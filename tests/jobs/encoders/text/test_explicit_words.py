"""Explicit words are whole words of the list of the text's language."""

from __future__ import annotations

import pytest

from jobs.encoders.text.explicit_words import explicit_ratio
from jobs.encoders.text.words import words


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("Welcome to Scunthorpe", "en", 0.0),
        ("assassins class the cockpit butter", "en", 0.0),
        ("this shit is FUCKED", "en", 2 / 4),  # "fucked" is "fuck" with an ending
        ("two asses", "en", 1 / 2),
        ("du Arschloch", "de", 1 / 2),
        ("SCHEISSE Scheiße", "de", 1.0),  # the list has one of the two spellings
        ("j'aime l'enculé", "fr", 1 / 2),  # behind an apostrophe
        ("the fick and the arsch", "en", 0.0),  # words of another language
        ("a$$ $hit", "en", 0.0),  # spellings with symbols do not count, nor does "hit"
        ("a hit song", "en", 0.0),
    ],
)
def test_the_share_of_explicit_words(text, language, expected):
    assert explicit_ratio(words(text), language) == pytest.approx(expected)


@pytest.mark.parametrize("language", ["is", "tr", "ja", None])
def test_a_language_without_a_list_has_no_share(language):
    """Icelandic has no list; those of Turkish and Japanese are not used."""
    assert explicit_ratio(["shit"], language) is None
