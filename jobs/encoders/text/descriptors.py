"""Descriptors of lyrics: language, length, repeated lines, explicit words."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from jobs.encoders.text import explicit_words, language
from jobs.encoders.text.explicit_words import explicit_ratio
from jobs.encoders.text.words import is_written_with_blanks, words


@dataclass(frozen=True, slots=True)
class LyricsDescriptors:
    """Descriptors of one text.

    Attributes:
        language: ISO 639-1 code; None when the text does not tell.
        language_confidence: probability of the most likely language, in [0, 1].
        line_count: lines that hold a letter or a digit.
        word_count: None for a script without blanks between words, such as Chinese and Thai.
        repetition_ratio: share of those lines that repeat an earlier one, in [0, 1).
        explicit_ratio: share of explicit words, in [0, 1]; None without a list for the language,
            or without a word count.
    """

    language: str | None
    language_confidence: float | None
    line_count: int
    word_count: int | None
    repetition_ratio: float
    explicit_ratio: float | None


def describe(text: str) -> LyricsDescriptors:
    """Descriptors of a text, which holds at least one letter.

    Lines are equal when their words are: case, punctuation and blanks do not count.
    """
    lines = [found for line in text.splitlines() if (found := words(line))]
    distinct = {" ".join(line) for line in lines}
    detected = language.detect(text)
    text_words = [word for line in lines for word in line] if is_written_with_blanks(text) else None
    return LyricsDescriptors(
        language=detected.language,
        language_confidence=detected.confidence,
        line_count=len(lines),
        word_count=None if text_words is None else len(text_words),
        repetition_ratio=1 - len(distinct) / len(lines),
        explicit_ratio=None
        if text_words is None
        else explicit_ratio(text_words, detected.language),
    )


def preprocessing() -> dict[str, object]:
    """Preprocessing of the descriptors, for the identity of the rows."""
    return {
        "revision": 2,  # raise it when code of this module or of words.py changes a descriptor
        "unicode": unicodedata.unidata_version,
        "language": language.preprocessing(),
        "explicit_words": explicit_words.preprocessing(),
    }
