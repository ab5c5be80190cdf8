"""What a job may ask for: a table and the part of it that the run may see.

The runner does the reading.

A night for `as_of` computes one slice of its output: the days `[first, end)` that the table lacks,
usually one day.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from feature_store.contract import Table, Time

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Slice:
    """Days that a run computes, half-open: `first` is in, `end` is not."""

    first: date
    end: date

    def __post_init__(self) -> None:
        """Refuse a slice without a day."""
        if self.end <= self.first:
            raise ValueError(f"slice [{self.first}, {self.end}) holds no day")

    def __iter__(self) -> Iterator[date]:
        """The days in order."""
        return (
            self.first + timedelta(days=offset) for offset in range((self.end - self.first).days)
        )


@dataclass(frozen=True, slots=True)
class Known:
    """The state as of the night: an AS_OF slice.

    For KNOWN tables the newest row of each entity known by then.
    """

    table: Table


@dataclass(frozen=True, slots=True)
class History:
    """Every row that arrived or was known up to as_of, older versions of an entity included."""

    table: Table


@dataclass(frozen=True, slots=True)
class New:
    """Only the rows of the slice that the run computes."""

    table: Table

    def __post_init__(self) -> None:
        """Only tables that are sliced by arrival or knowledge have new rows."""
        if self.table.time not in {Time.ARRIVAL, Time.KNOWN}:
            raise ValueError(
                f"{self.table.name} is not sliced by arrival or knowledge, so it has no new rows"
            )


@dataclass(frozen=True, slots=True)
class Before:
    """What was known before the slice that the run computes (newest row of each entity).

    May be the output itself.
    """

    table: Table


@dataclass(frozen=True, slots=True)
class Everything:
    """A timeless table whole: features that exist already."""

    table: Table


@dataclass(frozen=True, slots=True)
class Published:
    """A table as readers see it at the start of the night.

    Or as the newest event with an earlier as_of left it.
    """

    table: Table


@dataclass(frozen=True, slots=True)
class Landing:
    """Landing rows (or files) of one source, from the manifests of the slice's days."""

    source: str


Input = Known | History | New | Before | Everything | Published | Landing
