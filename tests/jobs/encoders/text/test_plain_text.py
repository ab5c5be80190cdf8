"""Texts that no encoder should see are refused with a reason."""

from __future__ import annotations

import pytest

from jobs.decoding.failure_reasons import ContentFailure, FailureReason
from jobs.encoders.text.plain_text import MAX_CHARACTERS, plain_text

WORDS = "I love this wonderful day"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", FailureReason.NO_WORDS),
        (WORDS.encode("utf-16-le").decode("utf-8"), FailureReason.NOT_UTF8),
        (WORDS.encode("utf-16-be").decode("utf-8"), FailureReason.NOT_UTF8),
        (WORDS.encode("utf-32-le").decode("utf-8"), FailureReason.NOT_UTF8),
        ("I love\0 this", FailureReason.NOT_UTF8),
        ("half a character \ud83d", FailureReason.NOT_UTF8),
        ("\x01\x02\x1b\x7f\u200b\ufeff", FailureReason.NO_WORDS),
        ("♪ 1980 ♪", FailureReason.NO_WORDS),
        ("a" * (MAX_CHARACTERS + 1), FailureReason.TOO_LARGE),
        ("love " * 2_000_000, FailureReason.TOO_LARGE),
    ],
)
def test_a_text_without_words_that_can_be_read_is_refused(text, reason):
    with pytest.raises(ContentFailure) as raised:
        plain_text(text)
    assert raised.value.reason is reason


@pytest.mark.parametrize(
    "text", [WORDS, "愛", "ça\r\nva", "a" * MAX_CHARACTERS, "tab\tand\x0bmore"]
)
def test_other_texts_stay_as_they_are(text):
    assert plain_text(text) == text


def test_a_byte_order_mark_is_no_part_of_the_first_word():
    """VADER would not find the word that it begins."""
    assert plain_text(f"\ufeff{WORDS}") == WORDS
