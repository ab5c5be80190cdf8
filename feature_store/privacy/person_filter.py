"""PersonFilter: which ids, texts and file names an erasure or the suppression list covers.

`Person` matches one id in all its spellings, `People` those of several persons in one search;
`SuppressionList` (suppression.py) matches every erased person. `redact` replaces ids in a text that
stays.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from feature_store.privacy.file_names import nameable_part_and_ending
from feature_store.privacy.id_spellings import (
    file_name_pattern,
    is_an_id,
    spellings,
    text_pattern,
)

if TYPE_CHECKING:
    import pyarrow as pa

ERASED = "‹erased›"
"""The placeholder for an erased person's id in a text that stays."""

_ALIAS_WORD, _ALIAS_DIGEST = "erased", re.compile(r"-[0-9a-f]{12}(?![0-9a-f])")


class PersonFilter(Protocol):
    """Tells whether an id or a text names a person to remove."""

    def matches(self, user_id: str) -> bool:
        """Whether the id belongs to such a person."""

    def matched_among(self, ids: pa.ChunkedArray) -> Collection[str]:
        """The ids of such persons that may stand in a column of strings, each once."""

    def matches_text(self, text: str) -> bool:
        """Whether free text names such a person."""

    def known_in_text(self, text: str) -> Sequence[str]:
        """The ids of such persons in free text; none where the filter knows no id itself."""

    def known_in_path(self, path: str) -> Sequence[str]:
        """The same of the name of a file."""

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

    def matched_among(self, ids: pa.ChunkedArray) -> Collection[str]:  # noqa: ARG002  it knows the id
        return (self.user_id,)

    def matches_text(self, text: str) -> bool:
        return any(
            is_an_id(text, *found.span()) and not is_placeholder(text, *found.span())
            for found in text_pattern(self.user_id).finditer(text)
        )

    def known_in_text(self, text: str) -> Sequence[str]:
        return (self.user_id,) if self.matches_text(text) else ()

    def known_in_path(self, path: str) -> Sequence[str]:
        return (self.user_id,) if self.rename(path) != path else ()

    def rename(self, path: str) -> str:
        folder, slash, name = path.rpartition("/")
        stem, ending = nameable_part_and_ending(name)
        renamed = _replace(file_name_pattern(self.user_id), stem, self.file_alias)
        return folder + slash + renamed + ending

    def possibly_in(self, text: str) -> Sequence[Person]:  # noqa: ARG002  the search itself tells
        """The person, who may be in any text."""
        return (self,)


class People:
    """A filter for several persons: one search for all of them, whatever their number.

    It matches whatever one of the `Person`s matches. Where ids overlap, the longest one counts, as
    for the suppression list.
    """

    def __init__(self, people: Collection[Person]) -> None:
        self._by_id = {
            each.user_id: each
            for each in sorted(people, key=lambda each: (-len(each.user_id), each.user_id))
        }
        self._by_spelling: dict[str, list[Person]] = {}
        for each in self._by_id.values():
            for spelling in each.spellings:
                self._by_spelling.setdefault(_searchable(spelling), []).append(each)
        self._in_names = re.compile("|".join(map(re.escape, self._by_spelling)) or r"(?!)")

    def __repr__(self) -> str:
        """The number of people, without their ids."""
        return f"People(‹{len(self._by_id)} hidden›)"

    def matches(self, user_id: str) -> bool:
        """Whether the id is one of theirs."""
        return user_id in self._by_id

    def matched_among(self, ids: pa.ChunkedArray) -> Collection[str]:  # noqa: ARG002  it knows them
        """All their ids."""
        return self._by_id.keys()

    def matches_text(self, text: str) -> bool:
        """Whether the text names one of them."""
        return any(each.matches_text(text) for each in self.possibly_in(text))

    def known_in_text(self, text: str) -> Sequence[str]:
        """The ids of those whom the text names."""
        return [each.user_id for each in self.possibly_in(text) if each.matches_text(text)]

    def known_in_path(self, path: str) -> Sequence[str]:
        """The ids that stand in the file's name; of two that overlap, the longer one."""
        found = []
        for each in self._possibly_in_name(path):
            renamed = each.rename(path)
            if renamed != path:
                found.append(each.user_id)
            path = renamed
        return found

    def rename(self, path: str) -> str:
        """The path without their ids in the file's name."""
        for each in self._possibly_in_name(path):
            path = each.rename(path)
        return path

    @property
    def spellings(self) -> list[str]:
        """Everybody's id as texts write it."""
        return list(self._by_spelling)

    def possibly_in(self, text: str) -> Sequence[Person]:
        """Those of whom a spelling stands in the text, found in one pass over it.

        Whether it is an id where it stands, `Person` decides.
        """
        import polars as pl

        if not self._by_id:
            return ()
        found = pl.Series([_searchable(text)]).str.extract_many(self.spellings, overlapping=True)
        spelled = found.explode().drop_nulls().unique().to_list()
        ids = {each.user_id for spelling in spelled for each in self._by_spelling[spelling]}
        return [each for user_id, each in self._by_id.items() if user_id in ids]

    def _possibly_in_name(self, path: str) -> Collection[Person]:
        """Everybody, if the file's name has any spelling of anybody; most names have none."""
        name = path.rpartition("/")[2]
        return self._by_id.values() if self._in_names.search(_searchable(name)) else ()


def _searchable(text: str) -> str:
    """The text as UTF-8 has it, with a question mark for what is none."""
    return text.encode(errors="replace").decode()


def redact(text: str, people: Person | People, *, with_bare_numbers: bool = True) -> str:
    """The text with a placeholder in place of every spelling of the people's ids.

    Args:
        text: the text.
        people: whose ids go.
        with_bare_numbers: whether an id of digits is one without a word about people before it.
    """
    for person in people.possibly_in(text):
        text = _replace(
            text_pattern(person.user_id), text, ERASED, with_bare_numbers=with_bare_numbers
        )
    return text


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
