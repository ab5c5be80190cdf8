"""Artists of a second source are found in the catalogue by their names, or are said to be unknown."""

from __future__ import annotations

import pytest

from feature_store.artist_matching import match_artists

CATALOGUE = (
    "Ark", "The Ark", "The Beatles", "Nirvana", "Nirvana (UK)", "Eminem", "Dido", "Сплин", "Wolf", "P!nk", "Pink",
    "Simon & Garfunkel", "Andromeda (60s)", "Andromeda (SE)", "Sean Paul ft. Rihanna",
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "found", "way"),
    [
        ("The Ark", ("The Ark",), "name"),
        ("the ark", ("The Ark",), "spelling"),
        ("THE ARK!", ("The Ark",), "credit"),
        ("Beatles", ("The Beatles",), "article"),
        ("Nirvana (US)", ("Nirvana",), "lead"),
        ("Eminem feat. Drake", ("Eminem",), "lead"),
        ("Sean Paul", ("Sean Paul ft. Rihanna",), "lead"),
        ("Splin", ("Сплин",), "latin"),
        ("Eminem & Dido", ("Eminem", "Dido"), "parts"),
        ("P.I.N.K.", ("P!nk", "Pink"), "credit"),
    ],
)
def test_the_strictest_way_that_finds_an_artist_counts(name, found, way):
    [match] = match_artists(CATALOGUE, [name]).matches

    assert (match.name, match.found, match.way) == (name, found, way)


@pytest.mark.parametrize(
    "name", ["Volf", "Simon", "Garfunkel", "Eminem & Nobody", "Beatles Revival"]
)
def test_an_artist_that_the_catalogue_lacks_is_unknown(name):
    """Two Latin spellings are two names, half of a band is not the band, and each part must be known."""
    matches = match_artists(CATALOGUE, [name])

    assert (matches.matches, matches.ambiguous, matches.unknown) == ((), (), (name,))


def test_a_name_that_fits_several_artists_is_not_found():
    matches = match_artists(CATALOGUE, ["Andromeda", "Eminem"])

    assert matches.ambiguous == ("Andromeda",)
    assert [match.name for match in matches.matches] == ["Eminem"]


def test_the_match_rate_counts_distinct_names():
    """Two of four are found; the ambiguous one and the unknown one are not."""
    matches = match_artists(CATALOGUE, ["Eminem", "Eminem", "Beatles", "Andromeda", "Nobody"])

    assert matches.name_count == 4
    assert matches.match_rate == 0.5
    assert matches.count_by_way == {
        "name": 1, "spelling": 0, "credit": 0, "article": 1, "lead": 0, "latin": 0, "parts": 0,
    }  # fmt: skip


def test_without_names_there_is_no_rate():
    assert match_artists(CATALOGUE, []).match_rate is None
    assert match_artists([], ["Eminem"]).match_rate == 0.0
