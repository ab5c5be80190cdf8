"""Finds explicit words with the word lists of the package glin-profanity, by language.

Only its lists are read, never its code: its filter also finds words inside words and misspelt ones,
which makes "Scunthorpe" explicit. Phrases and spellings with symbols ("a$$") do not count, nor do
words of another language than the text's.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from feature_store.lake.storage import sha256_of
from feature_store.weight_packages import WeightPackage, weights_folder
from jobs.encoders.text.words import fold

PACKAGE = WeightPackage(
    "glin-profanity",
    "4.1.0",
    folder="data/dictionaries",
    wheel_sha256="efdf834c0c29e9473033d497f4cbff5f414d8fe30aa04b1b9322639739889d0d",
)

# Left out are Chinese, Japanese and Thai, whose words are not separated, and Turkish, whose list
# has everyday words: "sayfa" (page) and "durum" (state) are 11 of 2,576 words of Airflow's pages.
LISTS = {
    "ar": "arabic",
    "cs": "czech",
    "da": "danish",
    "de": "german",
    "en": "english",
    "eo": "esperanto",
    "es": "spanish",
    "fa": "persian",
    "fi": "finnish",
    "fr": "french",
    "hi": "hindi",
    "hu": "hungarian",
    "it": "italian",
    "ko": "korean",
    "nb": "norwegian",
    "nl": "dutch",
    "nn": "norwegian",
    "pl": "polish",
    "pt": "portuguese",
    "ru": "russian",
    "sv": "swedish",
}
"""The list of each language, by its ISO 639-1 code."""

ENDINGS = {"en": ("s", "es", "ed", "ing")}
"""Endings that a listed word may take. The English list has few inflected forms; in 155,683 words
of EmoBank the endings add 18, of which 6 are wrong ("snatched", "spices")."""


def explicit_ratio(text_words: Sequence[str], language: str | None) -> float | None:
    """Share of explicit words, in [0, 1]; None without a list for the language.

    Args:
        text_words: at least one word, as `words` gives them.
        language: ISO 639-1 code, or None for an unknown language.
    """
    if language not in LISTS:
        return None
    return sum(_is_explicit(word, language) for word in text_words) / len(text_words)


def preprocessing() -> dict[str, object]:
    """Preprocessing of this module, for the identity of the rows."""
    return {
        "revision": 1,
        "endings": ENDINGS,
        "lists": {language: sha256_of(_file(language).read_bytes()) for language in LISTS},
    }


def _is_explicit(word: str, language: str) -> bool:
    """Whether the word, or a part behind or before an apostrophe ("l'enculé"), is listed."""
    return any(_is_listed(part, language) for part in {word, *word.split("'")})


def _is_listed(word: str, language: str) -> bool:
    listed = _list(language)
    stems = (word.removesuffix(end) for end in ENDINGS.get(language, ()) if word.endswith(end))
    return word in listed or any(stem in listed for stem in stems)


@cache
def _list(language: str) -> frozenset[str]:
    """Entries of a list, folded; phrases and symbols among them equal no word of `words`."""
    entries = json.loads(_file(language).read_text(encoding="utf-8"))["words"]
    return frozenset(fold(entry) for entry in entries)


def _file(language: str) -> Path:
    return weights_folder(PACKAGE) / f"{LISTS[language]}.json"
