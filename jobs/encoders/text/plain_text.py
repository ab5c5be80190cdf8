"""Checks texts before they are encoded: size, characters, words.

A text reaches Spark as valid UTF-8. UTF-16 and UTF-32 of Latin letters are valid UTF-8, too, with a
NUL beside each letter.
"""

from __future__ import annotations

from jobs.decoding.failure_reasons import ContentFailure, FailureReason

MAX_CHARACTERS = 50_000  # the longest song texts have 15,000; 10 MB would take a worker minutes
_BYTE_ORDER_MARK = "\ufeff"


def plain_text(text: str) -> str:
    """The text without byte order marks.

    Raises:
        ContentFailure: it is too large, in another encoding, or holds no letter.
    """
    if len(text) > MAX_CHARACTERS:
        raise ContentFailure(
            FailureReason.TOO_LARGE,
            f"{len(text)} characters, at most {MAX_CHARACTERS} are encoded",
        )
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ContentFailure(
            FailureReason.NOT_UTF8,
            "NUL characters or lone surrogates; the text was in another encoding, such as UTF-16",
        )
    if not any(character.isalpha() for character in text):
        raise ContentFailure(
            FailureReason.NO_WORDS, f"{len(text)} characters, none of them a letter"
        )
    return text.replace(_BYTE_ORDER_MARK, "")
