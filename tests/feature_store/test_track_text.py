"""The text of a track: its parts in order, the tags and the excerpt that it takes."""

from __future__ import annotations

import hashlib

import pytest
from lingua import Language

from feature_store.language_names import LANGUAGE_NAMES
from feature_store.track_text import (
    TEXT_FIELDS,
    TextParts,
    compose_text,
    excerpt,
    text_sha256,
    top_tags,
)

WHOLE = TextParts("Hurt", "Ann", {"slow": 1, "rock": 2}, "en", "I hurt myself")


def composed(**parts):
    return compose_text(TextParts(**parts), TEXT_FIELDS)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (TEXT_FIELDS, "Hurt. Ann. rock, slow. English. I hurt myself"),
        (("lyrics", "title"), "Hurt. I hurt myself"),
        (("language",), "English"),
        ((), None),
    ],
)
def test_a_text_holds_the_parts_that_the_fields_name_in_one_order(fields, text):
    """The order of `fields` does not count."""
    assert compose_text(WHOLE, fields) == text


def test_an_unknown_part_leaves_no_trace():
    """Neither a blank nor a period more; a track of which nothing is known has no text."""
    assert composed(title="Hurt", language="en") == "Hurt. English"
    assert composed(tag_counts={"rock": 1}) == "rock"
    assert composed() is None


@pytest.mark.parametrize("title", ["", " ", "\n\t", "\u200b", "\u202e\u200f", "\u2028"])
def test_a_title_that_nobody_can_see_is_no_part(title):
    """Blanks, line ends, characters of no width, marks of direction."""
    assert composed(title=title, artist="Ann") == "Ann"
    assert composed(title=title) is None


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("Help!", "Help! Ann"),
        ("R.E.M.", "R.E.M. Ann"),
        ("なに？", "なに？ Ann"),
        ('Say "Hi"', 'Say "Hi". Ann'),
        ("Two\r\nlines\u2028and\ta\u00a0tab ", "Two lines and a tab. Ann"),
        ("!!!", "!!! Ann"),
        ("שלום עולם", "שלום עולם. Ann"),
        ("🎵", "🎵. Ann"),
    ],
)
def test_a_title_stays_as_it_is_on_one_line(title, text):
    """Quotes, signs and right-to-left letters stay; a sign that ends a sentence needs no period."""
    assert composed(title=title, artist="Ann") == text


def test_a_language_without_a_name_stands_as_its_code():
    """Of another detector; Italian is named, for `it` is an English word."""
    assert composed(language="it") == "Italian"
    assert composed(language="xx") == "xx"


def test_every_language_that_the_detector_tells_apart_has_a_name():
    """The detector spells them in capitals; the written forms of Norwegian are one language here."""
    expected = {one.iso_code_639_1.name.lower(): one.name.title() for one in Language.all()}

    assert expected | {"nb": "Norwegian", "nn": "Norwegian"} == LANGUAGE_NAMES


def test_the_ten_tags_with_most_givers_count():
    """Twelve tags: two by three givers, nine by two, one by one; equal counts go by name."""
    counts = {"z": 3, "y": 3, "only one": 1} | {f"t{number}": 2 for number in range(9, 0, -1)}

    assert top_tags(counts) == ["y", "z", "t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8"]


def test_a_tag_that_nobody_can_see_takes_no_room():
    assert top_tags({"hard  rock": 1, "\u200b": 9}) == ["hard rock"]
    assert top_tags({}) == []


@pytest.mark.parametrize(
    ("lyrics", "expected"),
    [
        (" Slow\n\n river \t of  love ", "Slow river of love"),
        ("a" * 300, "a" * 300),
        ("a" * 299 + " bcd", "a" * 299),  # the cut falls into bcd
        ("a" * 297 + " bc def", "a" * 297 + " bc"),  # the 301st character is the blank
        ("a" * 301, "a" * 300),
        ("月" * 400, "月" * 300),
        ("あ" * 200 + "\n" + "い" * 200, "あ" * 200),
        ("", ""),
    ],
)
def test_an_excerpt_is_cut_at_a_word_s_end(lyrics, expected):
    """On one line; a script without blanks is cut after 300 characters, or where a line ends."""
    assert excerpt(lyrics) == expected


def test_an_excerpt_of_ten_thousand_words_has_sixty():
    """60 x 5 - 1 = 299 characters; a 61st word would end at 304."""
    assert excerpt("love " * 10_000) == " ".join(["love"] * 60)


def test_the_hash_is_of_the_text_in_utf_8():
    assert text_sha256("שיר") == hashlib.sha256(b"\xd7\xa9\xd7\x99\xd7\xa8").hexdigest()
    assert text_sha256(None) is None
