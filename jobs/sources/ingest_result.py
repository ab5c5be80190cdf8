"""What a source returns after `evensong ingest`: what it wrote, what it left out, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from feature_store.unicode_text import as_utf8


@dataclass(frozen=True, slots=True)
class FileRemark:
    """One file of a source, or a line of one, and what is to be said about it.

    Attributes:
        path: below the source's folder, as `shown_path` writes it; a line has its number behind.
        reason: for example why the file was not taken.
    """

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class IngestResult:
    """What a source wrote, by landing source: rows of row sources, files of file sources.

    Attributes:
        counts: what landed now.
        already_landed: what had landed before, so that nothing was written for it.
        not_taken: files, or lines of files, that did not land.
        remarks: files that landed although something about them is wrong.
        late_days: closed landing days for which something landed; the next night takes it.
        first_open_day: the day of that night; None while no day is closed.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    already_landed: Mapping[str, int] = field(default_factory=dict)
    not_taken: tuple[FileRemark, ...] = ()
    remarks: tuple[FileRemark, ...] = ()
    late_days: tuple[date, ...] = ()
    first_open_day: date | None = None

    def as_json(self) -> dict[str, object]:
        """The result with every remark, as `evensong ingest --json` ends with it."""
        return {
            "landed": dict(self.counts),
            "already_landed": dict(self.already_landed),
            "not_taken": [{"file": each.path, "reason": each.reason} for each in self.not_taken],
            "remarks": [{"file": each.path, "reason": each.reason} for each in self.remarks],
            "late_days": [day.isoformat() for day in self.late_days],
            "first_open_day": self.first_open_day and self.first_open_day.isoformat(),
        }


def shown_path(path: str) -> str:
    r"""A path that any terminal or log can print: other bytes and control characters as \x…."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in as_utf8(path)
    )
