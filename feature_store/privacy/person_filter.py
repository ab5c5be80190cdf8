"""PersonFilter: which ids and texts an erasure or the suppression list covers.

`Person` matches one id in all its spellings; `SuppressionList` (suppression.py) matches every
erased person. `redact` and `redact_files` replace one person's id in texts that stay.
"""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

if TYPE_CHECKING:
    from feature_store.lake.storage import Storage

ERASED = "‹erased›"
"""The placeholder for an erased person's id in a text that stays."""


class PersonFilter(Protocol):
    """Tells whether an id or a text names a person to remove."""

    def matches(self, user_id: str) -> bool:
        """Whether the id belongs to such a person."""

    def matches_text(self, text: str) -> bool:
        """Whether free text names such a person."""


@dataclass(frozen=True, slots=True)
class Person:
    """A filter for one person, known by the id; its representation hides the id from logs."""

    user_id: str

    def __repr__(self) -> str:
        """A constant text without the id."""
        return "Person(‹hidden›)"

    @property
    def spellings(self) -> tuple[str, ...]:
        """The id as plain text, and as JSON, HTML and URLs encode it."""
        as_json = (json.dumps(self.user_id), json.dumps(self.user_id, ensure_ascii=False))
        inner = [text[1:-1] for text in as_json]
        return tuple(
            dict.fromkeys((self.user_id, *inner, html.escape(self.user_id), quote(self.user_id)))
        )

    @property
    def pattern(self) -> re.Pattern[str]:
        """Every spelling as a whole word: `rock-2` does not match in `rock-20`."""
        either = "|".join(re.escape(spelling) for spelling in self.spellings)
        return re.compile(rf"(?<![\w-])(?:{either})(?![\w-])")

    def matches(self, user_id: str) -> bool:
        return user_id == self.user_id

    def matches_text(self, text: str) -> bool:
        return self.pattern.search(text) is not None


def redact(text: str, person: Person) -> str:
    """The text with a placeholder in place of every spelling of the person's id."""
    return person.pattern.sub(ERASED, text)


def redact_files(storage: Storage, folder: str, person: Person) -> int:
    """Redact the person's id in every file below `folder`; returns the number of changed files.

    Bytes that are not UTF-8 stay as they are.
    """
    changed = 0
    for file in list(storage.list(folder)):
        text = storage.read(file.path).decode(errors="surrogateescape")
        redacted = redact(text, person)
        if redacted != text:
            storage.write(file.path, redacted.encode(errors="surrogateescape"))
            changed += 1
    return changed
