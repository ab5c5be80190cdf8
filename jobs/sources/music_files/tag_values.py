"""Values of tags as people mean them: clean text, all artists, all genres, one id per name."""

from __future__ import annotations

import hashlib
import html
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from html.entities import html5

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
_ENTITY = re.compile(r"&(#\d{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]*);", re.IGNORECASE)
_DATE = re.compile(r"(\d{4})(?:([-/.])(\d{1,2})\2(\d{1,2})|(\d{2})(\d{2}))(?!\d)")
_PART_OF_A_DATE = re.compile(r"\d{4}(?:[-/.]?\d{1,2})?(?:[-/.]?00?)?")
_SHOWN_CHARS = 40
_FIRST_YEAR = 1000  # "03/04/05" is no date of the year 3
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
    U+FFFD. Entities of HTML are the characters that they name.
    """
    spaced = "".join(map(_storable, without_entities(value or ""))).replace("\ufeff", " ")
    text = unicodedata.normalize("NFC", " ".join(spaced.split()))
    return text if any(unicodedata.category(char)[0] not in "CZ" for char in text) else None


def without_entities(text: str) -> str:
    """The text with "&" for "&amp;", for each entity of HTML that is written out."""
    return _ENTITY.sub(_named_character, text)


def is_decoded(text: str) -> bool:
    """Whether a reader made out every character: for others it writes U+FFFD."""
    return "\N{REPLACEMENT CHARACTER}" not in text and not any(map(_is_surrogate, text))


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
    found: list[str] = []
    for value in separate_values(values):
        numbered = TCON(encoding=3, text=[value])  # type: ignore[no-untyped-call]
        for name in [name for name in numbered.genres if name != _UNNAMED_GENRE]:
            is_whole = name.casefold() in _WHOLE_GENRES
            found += [name] if is_whole else map(_genre, _BETWEEN_GENRES.split(name))
    return separate_values(found)


def full_date(texts: Iterable[str]) -> date | None:
    """The first date with a day; None for a year or a month alone.

    Raises:
        ValueError: a text is neither, or names a day that no calendar has.
    """
    for text in map(str.strip, texts):
        if found := _DATE.match(text):
            year, month, day = (int(part) for part in found.groups() if part and part.isdigit())
            if month and day:
                return _calendar_date(text, year, month, day)
        elif text and not _PART_OF_A_DATE.fullmatch(text):
            raise ValueError(f"{text[:_SHOWN_CHARS]!r} is no date such as 2004-05-06; left out")
    return None


def name_key(name: str) -> str:
    """The name in NFC without letter case, with single blanks: equal for one and the same name."""
    text = " ".join(unicodedata.normalize("NFC", name).split())
    return unicodedata.normalize("NFC", text.casefold())


def id_of(kind: str, names: Iterable[str]) -> str:
    """An id from `names`; names with the same `name_key` share it."""
    key = "\n".join(map(name_key, names))
    return f"{kind}-{hashlib.sha256(key.encode()).hexdigest()[:_ID_DIGITS]}"


def _named_character(entity: re.Match[str]) -> str:
    is_known = entity[1].startswith("#") or f"{entity[1]};" in html5
    character = html.unescape(entity[0]) if is_known else entity[0]
    return character if is_decoded(character) else entity[0]


def _genre(part: str) -> str:
    """A genre of a list, by its name where the list has its number of ID3v1."""
    number = part.strip()
    is_number = number.isascii() and number.isdigit() and int(number) < len(TCON.GENRES)
    return TCON.GENRES[int(number)] if is_number else part


def _calendar_date(text: str, year: int, month: int, day: int) -> date:
    try:
        if year >= _FIRST_YEAR:
            return date(year, month, day)
    except ValueError:
        pass  # the month or the day is out of range
    raise ValueError(f"{text[:_SHOWN_CHARS]!r} is no day of a calendar; left out")


def _storable(char: str) -> str:
    if _is_surrogate(char):
        return "\N{REPLACEMENT CHARACTER}"
    return " " if unicodedata.category(char) == "Cc" else char


def _is_surrogate(char: str) -> bool:
    return unicodedata.category(char) == "Cs"
