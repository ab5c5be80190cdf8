"""Row and file counts that a source returns after `evensong ingest`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class IngestResult:
    """What a source wrote, by landing source: rows of row sources, files of file sources."""

    counts: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: IngestResult) -> IngestResult:
        """Sums by landing source."""
        names = [*self.counts, *(name for name in other.counts if name not in self.counts)]
        return IngestResult(
            {name: self.counts.get(name, 0) + other.counts.get(name, 0) for name in names}
        )
