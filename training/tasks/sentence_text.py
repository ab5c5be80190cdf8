"""What is read of a sentence that a person has typed or pasted.

Tags of HTML, escape codes and control characters are no words, so no model reads them and no
terminal obeys them. Emojis are read by their names: the packaged text model knows none of them.
"""

from __future__ import annotations

import html
import re
import unicodedata
from functools import cache

_TAG = re.compile(r"</?[A-Za-z!][^<>]*>")
_ESCAPE_CODE = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_VARIANT = "\ufe0f"  # asks for the coloured form of a sign, for example of a heart


class NoWordsError(ValueError):
    """A sentence without a letter, a digit or an emoji says nothing."""


def plain_text(sentence: str) -> str:
    """The words of a sentence, on its own lines, without empty ones.

    Raises:
        NoWordsError: there are none.
    """
    untagged = html.unescape(_TAG.sub(" ", _ESCAPE_CODE.sub("", sentence)))
    named = _with_emoji_names(untagged.replace(_VARIANT, ""))
    lines = [" ".join("".join(map(_printable, line)).split()) for line in named.splitlines()]
    text = "\n".join(filter(None, lines))
    if not any(sign.isalnum() for sign in text):
        raise NoWordsError(
            "the sentence has no word (rule: one letter, digit or emoji at least, besides tags of "
            'HTML); write how you feel or what you would like to hear, for example: evensong mood "'
            'rough day, something calm but not sad"'
        )
    return text


def _printable(sign: str) -> str:
    """The sign; a blank for what moves the cursor, nothing for what cannot be seen."""
    category = unicodedata.category(sign)
    if not category.startswith("C"):
        return sign
    return " " if category == "Cc" else ""


def _with_emoji_names(text: str) -> str:
    """Emojis replaced by their names, such as `crying face`."""
    names = _emoji_names()
    return "".join(f" {names[sign]} " if sign in names else sign for sign in text)


@cache
def _emoji_names() -> dict[str, str]:
    """Name of each emoji of one sign, by VADER's list."""
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    names = SentimentIntensityAnalyzer().emojis
    return {sign: name for sign, name in names.items() if len(sign) == 1}
