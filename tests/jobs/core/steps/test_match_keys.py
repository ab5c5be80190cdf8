"""Match keys: which signs of a name they keep."""

from __future__ import annotations

import pytest

from jobs.core.steps.match_keys import match_key


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Beyoncé – “Halo”", "beyoncehalo"),
        ("AC/DC", "acdc"),
        ("Сергей Рахманинов", "сергеирахманинов"),
        ("東京 がらす", "東京がらす"),
        ("हिन्दी", "हिन्दी"),
        ("Café del Mar 2", "cafedelmar2"),
        ("!!!", "!!!"),
    ],
)
def test_match_keys_keep_letters_and_digits_of_every_script(name, key):
    """Match keys drop accents, keep voicing and vowel signs, and keep a name of signs as it is."""
    assert match_key(name) == key
