"""Lyrics as plain words: decoded, without the time stamps and headers of LRC."""

from __future__ import annotations

import codecs
import re

from jobs.sources.music_files.tag_values import without_entities

# UTF-32 before UTF-16: the mark of UTF-16-LE begins that of UTF-32-LE.
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_TIME = r"\s*[-+]?\d{1,3}:\d{1,2}(?:[:.,]\d{1,3}){0,2}\s*"
_STAMP = re.compile(rf"\[{_TIME}\]|<{_TIME}>")
_HEADER = re.compile(r"\s*\[[a-z#][\w #-]*:[^\]]*\]\s*$", re.IGNORECASE)
# Below the first stamp "[Chorus: both]" is a part of the words; these are headers everywhere.
_KNOWN_HEADER = re.compile(
    r"\s*\[(?:#|al|ar|au|by|encoding|id|la|length|lr|offset|re|ti|tool|total|ve)\s*:[^\]]*\]\s*$",
    re.IGNORECASE,
)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")


def plain_lyrics(content: bytes) -> bytes | None:
    """Plain words in UTF-8; None for an unknown encoding."""
    text = _decoded(content)
    return None if text is None else plain_words(text).encode()


def plain_words(text: str) -> str:
    """The words without [mm:ss.xx] and <mm:ss.xx> stamps, headers such as [ar:…], and marks."""
    cleaned = _CONTROL.sub(" ", without_entities(text).replace("\ufeff", ""))
    # A lone surrogate is no text: U+FFFD stands for it, by which readers tell another encoding.
    cleaned = cleaned.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    lines = cleaned.splitlines()
    stamped = [number for number, line in enumerate(lines) if _STAMP.search(line)]
    first_stamped = stamped[0] if stamped else 0
    words = [
        _without_stamps(line)
        for number, line in enumerate(lines)
        if not (_HEADER if number < first_stamped else _KNOWN_HEADER).match(line)
    ]
    return "\n".join(words).strip()


def _without_stamps(line: str) -> str:
    words, n_stamps = _STAMP.subn("", line)
    return " ".join(words.split()) if n_stamps else words.strip()


def _decoded(content: bytes) -> str | None:
    """The text; None for an unknown encoding, of which a NUL is a sign (UTF-16 without a mark)."""
    encoding = next(
        (name for mark, name in _BYTE_ORDER_MARKS.items() if content.startswith(mark)), "utf-8"
    )
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text
