"""Inputs that a job can declare: a table, and the part of it that the run may see.

The runner (jobs/run.py) reads them. A night for `as_of` computes one slice of the job's output: the
days `[first, end)` that the table lacks, usually one day.
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
    """Half-open range of the days that a run computes: `first` is included, `end` is not."""

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
class AsOf:
    """A table as of the night: its AS_OF slice, or each entity's newest KNOWN row by then."""

    table: Table


@dataclass(frozen=True, slots=True)
class History:
    """Every row that arrived or became known up to as_of, with older versions of an entity."""

    table: Table


@dataclass(frozen=True, slots=True)
class NewRows:
    """Only the rows of the slice that the run computes."""

    table: Table

    def __post_init__(self) -> None:
        """Refuse a table whose slices are neither by arrival nor by knowledge."""
        if self.table.time not in {Time.ARRIVAL, Time.KNOWN}:
            raise ValueError(
                f"{self.table.name} is not sliced by arrival or knowledge, so it has no new rows"
            )


@dataclass(frozen=True, slots=True)
class PreviousState:
    """The newest row of each entity before the slice that the run computes.

    The table may be the job's own output.
    """

    table: Table


@dataclass(frozen=True, slots=True)
class WholeTable:
    """All rows of a timeless table, for example the features that exist already."""

    table: Table


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """A published table as readers saw it before the night's day (see `snapshot_before`)."""

    table: Table


@dataclass(frozen=True, slots=True)
class LandingSource:
    """Landing rows or files of one source that the manifests of the slice's days list."""

    source: str


Input = AsOf | History | NewRows | PreviousState | WholeTable | PublishedTable | LandingSource
