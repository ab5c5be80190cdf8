"""Values of tags as people mean them: clean text, all artists, all genres, one id per name."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mutagen.id3 import TCON

TEXT_CHARS_MAX = 10_000
"""Of a name; the raw stage refuses texts of over 1 MiB."""
LYRICS_CHARS_MAX = 2**18

_ID_DIGITS = 16
# A bare "/" would break AC/DC, "&" and "," many bands.
_BETWEEN_ARTISTS = re.compile(
    r"\s+//?\s+|\\\\|\s*[;|]\s*|\s+[(\[]?(?:feat|ft|featuring)\b\.?\s+", re.IGNORECASE
)
_BETWEEN_GENRES = re.compile(r"[;,/|]|\\\\")
_WHOLE_GENRES = frozenset({"folk, world, & country"})  # a genre of Discogs, in spite of its commas
_UNNAMED_GENRE = "Unknown"  # what mutagen, and people, call a genre that nobody named


@dataclass(frozen=True, slots=True)
class Credit:
    """The artists of a recording: their names as written, and the one that leads."""

    names: str
    lead: str


def clean_text(value: str | None) -> str | None:
    """Text on one line in NFC with single blanks; None when nothing of it can be seen.

    Control characters count as blanks. A lone surrogate, which no UTF-8 file can hold, becomes
    U+FFFD.
    """
    spaced = "".join(map(_storable, value or "")).replace("\ufeff", " ")
    text = unicodedata.normalize("NFC", " ".join(spaced.split()))
    return text if any(unicodedata.category(char)[0] not in "CZ" for char in text) else None


def has_unstorable(value: str | None) -> bool:
    """Whether a text holds NUL between other characters, a lone surrogate, or what was no text."""
    text = (value or "").strip("\0")
    return "\0" in text or "\N{REPLACEMENT CHARACTER}" in text or any(map(_is_surrogate, text))


def separate_values(values: Iterable[str | None]) -> list[str]:
    """Clean texts without repetition; NUL separates values, as in ID3v2.4."""
    parts = [clean_text(part) for value in values for part in (value or "").split("\0")]
    return list({name_key(part): part for part in reversed(parts) if part}.values())[::-1]


def credit(artists: Sequence[str | None], listed: Sequence[str | None]) -> Credit | None:
    """The artists of the artist tag, and of the tag that lists each of them by itself.

    Several values are joined as people write them, "A, B"; one value stays as it is written.
    """
    names, each = separate_values(artists), separate_values(listed)
    written = ", ".join(names)
    if any(name_key(name) not in name_key(written) for name in each):
        written = ", ".join(each)
    if not written:
        return None
    lead = each[0] if each else _BETWEEN_ARTISTS.split(names[0])[0]
    return Credit(written, clean_text(lead) or written)


def genres(values: Iterable[str | None]) -> list[str]:
    """Every genre by itself: "Rock; Pop" names two, "(4)Eurodisco" is Disco too (ID3v1 numbers)."""
    found = []
    for value in separate_values(values):
        numbered = TCON(encoding=3, text=[value])  # type: ignore[no-untyped-call]
        for name in [name for name in numbered.genres if name != _UNNAMED_GENRE]:
            is_whole = name.casefold() in _WHOLE_GENRES
            found += [name] if is_whole else _BETWEEN_GENRES.split(name)
    return separate_values(found)


def name_key(name: str) -> str:
    """The name in NFC without letter case, with single blanks: equal for one and the same name."""
    text = " ".join(unicodedata.normalize("NFC", name).split())
    return unicodedata.normalize("NFC", text.casefold())


def id_of(kind: str, names: Iterable[str]) -> str:
    """An id from `names`; names with the same `name_key` share it."""
    key = "\n".join(map(name_key, names))
    return f"{kind}-{hashlib.sha256(key.encode()).hexdigest()[:_ID_DIGITS]}"


def _storable(char: str) -> str:
    if _is_surrogate(char):
        return "\N{REPLACEMENT CHARACTER}"
    return " " if unicodedata.category(char) == "Cc" else char


def _is_surrogate(char: str) -> bool:
    return unicodedata.category(char) == "Cs"
