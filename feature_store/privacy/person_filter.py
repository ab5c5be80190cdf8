"""PersonFilter: which ids, texts and file names an erasure or the suppression list covers.

`Person` matches one id in all its spellings; `SuppressionList` (suppression.py) matches every
erased person. `redact` replaces one person's id in a text that stays.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from feature_store.privacy.file_names import nameable_part_and_ending
from feature_store.privacy.id_spellings import (
    file_name_pattern,
    is_an_id,
    spellings,
    text_pattern,
)

ERASED = "‹erased›"
"""The placeholder for an erased person's id in a text that stays."""

_ALIAS_WORD, _ALIAS_DIGEST = "erased", re.compile(r"-[0-9a-f]{12}(?![0-9a-f])")


class PersonFilter(Protocol):
    """Tells whether an id or a text names a person to remove."""

    def matches(self, user_id: str) -> bool:
        """Whether the id belongs to such a person."""

    def matches_text(self, text: str) -> bool:
        """Whether free text names such a person."""

    def rename(self, path: str) -> str:
        """The path of a file without the ids of such persons in its name."""


@dataclass(frozen=True, slots=True)
class Person:
    """A filter for one person, known by the id; its representation hides the id from logs.

    Attributes:
        file_alias: takes the id's place in names of files; the same for every erasure of a person
            (suppression.suppress gives it), so that a file that arrives again gets the same name.
    """

    user_id: str
    file_alias: str = "erased"

    def __repr__(self) -> str:
        """A constant text without the id."""
        return "Person(‹hidden›)"

    @property
    def spellings(self) -> tuple[str, ...]:
        """The id as texts write it."""
        return spellings(self.user_id)

    def matches(self, user_id: str) -> bool:
        return user_id == self.user_id

    def matches_text(self, text: str) -> bool:
        return any(
            is_an_id(text, *found.span()) and not is_placeholder(text, *found.span())
            for found in text_pattern(self.user_id).finditer(text)
        )

    def rename(self, path: str) -> str:
        folder, slash, name = path.rpartition("/")
        stem, ending = nameable_part_and_ending(name)
        renamed = _replace(file_name_pattern(self.user_id), stem, self.file_alias)
        return folder + slash + renamed + ending


def redact(text: str, person: Person, *, with_bare_numbers: bool = True) -> str:
    """The text with a placeholder in place of every spelling of the person's id.

    Args:
        text: the text.
        person: whose id goes.
        with_bare_numbers: whether an id of digits is one without a word about people before it.
    """
    return _replace(text_pattern(person.user_id), text, ERASED, with_bare_numbers=with_bare_numbers)


def _replace(
    pattern: re.Pattern[str], text: str, placeholder: str, *, with_bare_numbers: bool = True
) -> str:
    def replacement(found: re.Match[str]) -> str:
        is_id = is_an_id(text, *found.span(), with_bare_numbers=with_bare_numbers)
        return placeholder if is_id and not is_placeholder(text, *found.span()) else found[0]

    return pattern.sub(replacement, text)


def is_placeholder(text: str, start: int, end: int) -> bool:
    """Whether an id that reads like our placeholders stands in one of them."""
    is_alias = text[start:end] == _ALIAS_WORD and _ALIAS_DIGEST.match(text, end) is not None
    return is_alias or text[max(0, start - 1) : end + 1] == ERASED
