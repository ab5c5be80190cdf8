"""Keys of artists' names: what makes no difference, and what does."""

from __future__ import annotations

import pytest

from feature_store.artist_names import artist_keys, part_keys


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Beyoncé", "BEYONCE"),
        ("MØ", "mo"),
        ("Łona", "Lona"),
        ("Barış Manço", "BARIS MANCO"),
        ("Beatles, The", "The Beatles"),
        ("Florence + the Machine", "Florence and The Machine"),
        ("Above&Beyond", "Above & Beyond"),
        ("Guns N' Roses", "Guns and Roses"),
        ("Salt-N-Pepa", "Salt 'n' Pepa"),
        ("Pezet&Małolat", "Pezet/Małolat"),
        ("Jay-Z ft. Rihanna", "JAY Z (featuring Rihanna)"),
        ("Massive Attack vs. Mad Professor", "Massive Attack versus Mad Professor"),
        ("A$AP Rocky", "ASAP Rocky"),
        ("P!nk", "Pink"),
        ("Ke$ha", "Kesha"),
        ("Wakey!Wakey!", "Wakey! Wakey!"),
        ("Destiny’s Child", "Destinys Child"),
        ("ＡＢＢＡ", "Abba"),
        ("Blink 182攀", "blink-182"),
        ("Korn [www.example.org]", "Korn"),
    ],
)
def test_two_spellings_of_one_credit_have_one_key(one, other):
    """Case, accents, signs, `and`, the name of a guest and Last.fm's noise make no difference."""
    assert artist_keys(one).credit == artist_keys(other).credit


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The The", "The"),
        ("!!!", "???"),
        ("!!!", "Chk Chk Chk"),
        ("+/-", "-"),
        ("+44", "44"),
        ("M!", "M"),
        ("Sunn O)))", "Sunn"),
        ("Eminem feat. Drake", "Eminem feat. Dido"),
        ("Eminem feat. Drake", "Eminem"),
        ("Nirvana (UK)", "Nirvana"),
        ("Symphony X", "Symphony"),
        ("Ark", "The Ark"),
        ("か", "が"),
        ("Сплин", "Splin"),
    ],
)
def test_different_artists_have_different_credits(one, other):
    """Names that differ by what identifies an artist keep their own credits."""
    assert artist_keys(one).credit != artist_keys(other).credit


@pytest.mark.parametrize(
    ("name", "article"),
    [
        ("The Cure", "cure"),
        ("Cure, The", "cure"),
        ("The-Dream", "dream"),
        ("The (International) Noise Conspiracy", "internationalnoiseconspiracy"),
        ("Nick Cave and the Bad Seeds", "nickcavebadseeds"),
        ("The The", "thethe"),
        ("The", "the"),
        ("The !!!", "the"),
        ("Thebes", "thebes"),
    ],
)
def test_the_article_s_key_drops_the_where_a_word_follows(name, article):
    assert artist_keys(name).article == article


@pytest.mark.parametrize(
    ("name", "lead"),
    [
        ("Eminem (feat. Dido)", "eminem"),
        ("Juanes feat.Black Eyed Peas", "juanes"),
        ("Panic! at the Disco feat. Britney Spears", "panicatthedisco"),
        ("Diplo x Skrillex", "diplo"),
        ("King's X", "kingsx"),
        ("Tiësto pres. Alone In The Dark", "tiesto"),
        ("Nirvana (UK)", "nirvana"),
        ("f(x)", "fx"),
        ("(sic)monic", "sicmonic"),
        ("Ft. Minor", "ftminor"),
        ("Nick Cave & Kylie Minogue", "nickcavekylieminogue"),
    ],
)
def test_the_lead_stands_before_guests_and_without_remarks(name, lead):
    """A band's name may hold brackets, an x or an &: they are no guests."""
    assert artist_keys(name).lead == lead


@pytest.mark.parametrize(
    ("native", "latin"),
    [
        ("Владимир Высоцкий", "Vladimir Vysotsky"),
        ("Ляпис Трубецкой", "Lyapis Trubetskoi"),
        ("Άννα Βισση", "Anna Vissi"),
        ("いきものがかり", "Ikimono-gakari"),
        ("태양", "Taeyang"),
    ],
)
def test_a_name_in_another_script_has_the_key_of_its_usual_latin_spelling(native, latin):
    assert artist_keys(native).latin == artist_keys(latin).latin


@pytest.mark.parametrize("name", ["東京事変", "宇多田ヒカル", "عمر دياب", "!!!"])
def test_what_has_no_sure_reading_has_no_latin_key(name):
    """Chinese characters are read in another way in each language; Arabic leaves vowels out."""
    assert artist_keys(name).latin == ""


def test_the_parts_of_a_credit_are_its_artists():
    assert part_keys("Eminem feat. Drake, The Game & Dido") == ("eminem", "drake", "game", "dido")
    assert part_keys("Radiohead") == ("radiohead",)
    assert part_keys("") == ()
