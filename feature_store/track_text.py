"""The text of a track that a sentence encoder reads: one rule for Spark's jobs and for training.

    >>> compose_text(TextParts("Hurt", "Ann", {"slow": 1, "rock": 2}, "en", "I hurt"), TEXT_FIELDS)
    'Hurt. Ann. rock, slow. English. I hurt'

Training composes the text again where some tags must not be known, for example before a cut.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from feature_store.language_names import LANGUAGE_NAMES

TextField = Literal["title", "artist", "tags", "language", "lyrics"]
TEXT_FIELDS: tuple[TextField, ...] = get_args(TextField)
"""What a text can hold, in the order in which it stands there."""

MAX_TAGS = 10
MAX_EXCERPT_CHARACTERS = 300

_ENDS_OF_SENTENCES = (".", "!", "?", "…", "。", "！", "？", "؟", "۔", "।")


@dataclass(frozen=True, slots=True)
class TextParts:
    """What is known of a track; whatever is unknown stays out of its text.

    Attributes:
        tag_counts: by tag, how many gave it to the track; the catalogue counts as one giver.
        language: ISO 639-1 code.
        lyrics_excerpt: as `excerpt` gives it.
    """

    title: str | None = None
    artist: str | None = None
    tag_counts: Mapping[str, int] = field(default_factory=dict)
    language: str | None = None
    lyrics_excerpt: str | None = None


def compose_text(parts: TextParts, fields: Collection[TextField]) -> str | None:
    """The parts that `fields` names, in the order of TEXT_FIELDS; None when there is none.

    A period parts them, unless the first of two ends with a sign that ends a sentence.
    """
    texts: dict[TextField, str] = {
        "title": _one_line(parts.title),
        "artist": _one_line(parts.artist),
        "tags": ", ".join(top_tags(parts.tag_counts)),
        "language": LANGUAGE_NAMES.get(parts.language or "", _one_line(parts.language)),
        "lyrics": _one_line(parts.lyrics_excerpt),
    }
    present = [texts[name] for name in TEXT_FIELDS if name in fields and texts[name]]
    ended = [text if text.endswith(_ENDS_OF_SENTENCES) else f"{text}." for text in present[:-1]]
    return " ".join([*ended, *present[-1:]]) or None


def top_tags(tag_counts: Mapping[str, int]) -> list[str]:
    """The MAX_TAGS tags with most givers, most first; tags with equally many by name."""
    in_order = sorted(tag_counts, key=lambda tag: (-tag_counts[tag], tag))
    return [text for tag in in_order if (text := _one_line(tag))][:MAX_TAGS]


def excerpt(lyrics: str) -> str:
    """The first MAX_EXCERPT_CHARACTERS of the lyrics, cut at a word's end, on one line.

    A text without a blank, as some scripts have none, is cut after so many characters.
    """
    words = " ".join(lyrics.split())
    if len(words) <= MAX_EXCERPT_CHARACTERS:
        return words
    whole_words, _, _ = words[: MAX_EXCERPT_CHARACTERS + 1].rpartition(" ")
    return whole_words or words[:MAX_EXCERPT_CHARACTERS]


def text_sha256(text: str | None) -> str | None:
    """SHA-256 of the text in UTF-8: the key of its vectors; None without a text."""
    return hashlib.sha256(text.encode()).hexdigest() if text is not None else None


def _one_line(text: str | None) -> str:
    """The text with single blanks between its words; "" when no character of it can be seen."""
    words = " ".join((text or "").split())
    is_visible = any(unicodedata.category(sign)[0] not in "ZC" for sign in words)
    return words if is_visible else ""
