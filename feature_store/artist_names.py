"""Keys by which an artist's name is found in a second source that spells it in another way.

Last.fm alone has `Florence + the Machine`, `Florence and The Machine` and `florence & the machine`.
A name has five keys, from strict to loose:

* `spelling`: case, spaces and width of letters make no difference.
* `credit`: nor do accents, signs, `and`, `&` and `+`, or how a guest is named (`feat.`, `ft.`).
* `article`: nor does `the` (`Beatles, The`).
* `lead`: the artist before `feat.`, `vs.`, `x` or `presents`, without remarks in brackets.
* `latin`: the lead in Latin letters, for Cyrillic, Greek, kana and hangul.

Two artists may share a key: Ark is Norwegian and The Ark is Swedish. So a looser key counts only
where no stricter one finds anybody; see artist_matching.py. No key mends misspellings, knows
former names or reads Chinese characters: each language reads them in another way.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from anyascii import anyascii

_ACCENTS = re.compile("[\u0300-\u036f]")  # of Latin, Greek and Cyrillic; か and が differ elsewhere
_STROKES = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"}
)
_QUOTES = re.compile("[\"'`´‘’‚‛“”„«»]")
_ADDRESS = re.compile(r"[(\[][^()\[\]]*(?:www\.|https?:)[^()\[\]]*[)\]]?")
_STRAY = re.compile(r"(?<=[a-z0-9])[\u3400-\u9fff]$")  # Last.fm has `Blink 182攀`, `Paramore攀`
_DOLLAR = re.compile(r"\$(?=\w)|(?<=\w)\$")  # Ke$ha, Too $hort
_I_SIGN = re.compile(r"(?<![\w!])(\w+)!(\w+)(?![\w!])")  # P!nk, but not Wakey!Wakey!

# What they replace stands between words: +44 has no "and", The The no article.
_N = re.compile(r"(?<=\w)[\s'’‘´`-]+n[\s'’‘´`-]+(?=\w)")  # Guns N' Roses, Salt-N-Pepa
_AND = re.compile(r"(?<=\w)\s*[&+]\s*(?=\w)|(?<=\w)\s+and\s+(?=\w)")
_GUEST = re.compile(r"(?<=\w)[.!?)]*[\s(\[]+(?:feat|ft|featuring)\b[.:]?\s*(?=\w)")
_VERSUS = re.compile(r"(?<=\w)[.!?)]*\s+(?:vs|versus)\b\.?\s+(?=\w)")
_LEADING_ARTICLE = re.compile(r"^the[\s-]+(?=(?!the\b)\S*\w)")
_TRAILING_ARTICLE = re.compile(r"^(.*\w.*),\s*the$")
_INNER_ARTICLE = re.compile(r"(\s(?:&|feat|vs|with))\s+the\s+(?=\w)")

_END_OF_LEAD = re.compile(r"(?<=\w)[.!?)]*\s+(?:feat|vs|x|pres\.?|presents:?)\s+(?=\w)")
_BETWEEN_PARTS = re.compile(r"\s+(?:&|with|feat|vs|x)\s+|\s*,\s*|\s+/\s+")
_REMARK = re.compile(r"(?<=\w)[.!?]*\s+[(\[][^()\[\]]*[)\]]\s*$")  # (UK), [90s], (Live)

_READABLE_SCRIPTS = ("LATIN", "CYRILLIC", "GREEK", "HIRAGANA", "KATAKANA", "HANGUL")
_ROMANISATIONS = (("tch", "ch"), ("kh", "h"), ("w", "v"), ("y", "i"), ("j", "i"))
_REPEATED = re.compile(r"(.)\1+")

_SHORT = 3  # letters and digits; below it, signs tell names apart: +44, M!
_WEAK_SIGNS = frozenset(" .,-–/_()[]")  # they tell nothing apart: U2., A-1


@dataclass(frozen=True, slots=True)
class ArtistKeys:
    """The keys of one name; see above. None is empty, unless the name is.

    Attributes:
        latin: "" where a letter of the name has no sure reading.
    """

    spelling: str
    credit: str
    article: str
    lead: str
    latin: str


def artist_keys(name: str) -> ArtistKeys:
    """The keys of a name.

    `Beatles, The` and `THE BEATLES` have the credit `thebeatles` and, like `Beatles`, the article
    key `beatles`. `Jay-Z ft. Rihanna` has the credit of `JAY Z (featuring Rihanna)`, and the lead
    `jayz`.
    """
    words = _words(name)
    bare = _without_articles(words)
    lead = _REMARK.sub("", _END_OF_LEAD.split(bare)[0])
    return ArtistKeys(
        spelling=" ".join(unicodedata.normalize("NFKC", name).casefold().split()),
        credit=_key(words),
        article=_key(bare),
        lead=_key(lead),
        latin=_latin(lead),
    )


def part_keys(name: str) -> tuple[str, ...]:
    """Article keys of all who share a credit: `Nick Cave & Kylie Minogue` has two.

    The name of a band looks alike (`Simon & Garfunkel`), so parts count only where a source knows
    each of them.
    """
    parts = _BETWEEN_PARTS.split(_words(name))
    return tuple(key for part in parts if (key := _key(_without_articles(part))))


def _words(name: str) -> str:
    """The name in one spelling of letters, `&`, `feat` and `vs`; other signs are still there."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).casefold())
    words = unicodedata.normalize("NFC", _ACCENTS.sub("", folded)).translate(_STROKES)
    words = _STRAY.sub("", _ADDRESS.sub(" ", words))
    words = _QUOTES.sub("", _N.sub(" & ", words))
    words = _I_SIGN.sub(r"\1i\2", _DOLLAR.sub("s", words))
    words = _VERSUS.sub(" vs ", _GUEST.sub(" feat ", " ".join(words.split())))
    return _TRAILING_ARTICLE.sub(r"the \1", _AND.sub(" & ", words)) or name


def _without_articles(words: str) -> str:
    return _INNER_ARTICLE.sub(r"\1 ", _LEADING_ARTICLE.sub("", words))


def _key(words: str) -> str:
    """Letters and digits alone; the signs too where there are few letters, or none."""
    letters = "".join(sign for sign in words if unicodedata.category(sign)[0] in "LNM")
    if len(letters) >= _SHORT or (letters and not letters.isascii()):
        return letters
    strong = "".join(sign for sign in words if sign not in _WEAK_SIGNS)
    return strong or "".join(words.split())


def _latin(words: str) -> str:
    """The key in Latin letters, with spellings of one sound folded: `Vysotskiy` is `Vysotsky`."""
    letters = [sign for sign in words if sign.isalpha()]
    if not all(unicodedata.name(sign, "").startswith(_READABLE_SCRIPTS) for sign in letters):
        return ""
    plain = "".join(sign for sign in anyascii(words).casefold() if sign.isalnum())
    for spelling, folded in _ROMANISATIONS:
        plain = plain.replace(spelling, folded)
    return _REPEATED.sub(r"\1", plain)
