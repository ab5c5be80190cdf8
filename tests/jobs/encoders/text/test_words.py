"""Words are runs of letters, marks and digits; case, width and punctuation do not count."""

from __future__ import annotations

import pytest

from jobs.encoders.text.words import is_written_with_blanks, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don\u2019t STOP, (stop)!", ["don't", "stop", "stop"]),
        ("rock 'n' roll", ["rock", "n", "roll"]),
        ("mother-in-law 99", ["mother", "in", "law", "99"]),
        ("Straße", ["strasse"]),  # Unicode's case folding
        ("हिन्दी गीत", ["हिन्दी", "गीत"]),  # vowel signs are marks, no letters
        ("ＬＯＶＥ", ["love"]),  # full width
        ("♪ — ...", []),
        ("می‌خواهم با تو باشم", ["می‌خواهم".replace("\u200c", ""), "با", "تو", "باشم"]),
        ("sh\u00adit re\u2060do", ["shit", "redo"]),  # a soft hyphen, a word joiner
        ("ab\u200bcd", ["ab", "cd"]),  # the zero-width space parts words
    ],
)
def test_words(text, expected):
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "is_with_blanks"),
    [
        ("love me", True),
        ("사랑해 나의 마음", True),  # Korean has blanks
        ("月亮代表我的心", False),
        ("ラブソング", False),
        ("ฉันรักเธอ", False),
        ("月亮 baby baby", True),  # most letters are Latin
        ("1, 2, 3", True),
    ],
)
def test_the_script_of_most_letters_says_whether_blanks_separate_words(text, is_with_blanks):
    assert is_written_with_blanks(text) is is_with_blanks
