"""Splits texts into words, for counting them and for looking them up in word lists.

A word is a run of letters, marks and digits, with the apostrophes inside it: "don't" is one word,
"mother-in-law" three. Python's regular expressions have no marks in their words: they would cut a
word of Hindi at its vowels.
"""

from __future__ import annotations

import re
import unicodedata

_APOSTROPHES = str.maketrans(dict.fromkeys("\u2018\u2019\uff07`\u00b4", "'"))
_WORD_CATEGORIES = frozenset("LMN")  # letters, marks and numbers of Unicode
_WORD_BREAK = "\u200b"  # the zero-width space, the only format character between words
_WITHOUT_BLANKS = re.compile(
    "[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Tibetan, Burmese, Khmer
    "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"  # Japanese, Chinese
)


def words(text: str) -> list[str]:
    """Words of a text in its order, folded as `fold` does.

    Format characters are left out: Persian joins and parts letters by them inside a word.
    """
    visible = (letter for letter in fold(text) if letter == _WORD_BREAK or not _is_format(letter))
    pieces = "".join(letter if _is_of_word(letter) else " " for letter in visible).split()
    return [word for piece in pieces if (word := piece.strip("'"))]


def fold(text: str) -> str:
    """The text without differences of case, width or kind of apostrophe (NFKC, case folding)."""
    return unicodedata.normalize("NFKC", text.translate(_APOSTROPHES)).casefold()


def is_written_with_blanks(text: str) -> bool:
    """Whether blanks separate the words, judged by the script of most letters."""
    letters = [character for character in text if character.isalpha()]
    n_without = sum(1 for letter in letters if _WITHOUT_BLANKS.match(letter))
    return 2 * n_without <= len(letters)


def _is_format(character: str) -> bool:
    return unicodedata.category(character) == "Cf"


def _is_of_word(character: str) -> bool:
    return character == "'" or unicodedata.category(character)[0] in _WORD_CATEGORIES
