"""What sources share: rows in the shape of their raw_ table, and the count of what was landed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from feature_store.contract import Table

_ORIGIN = frozenset({"source_file", "source_row", "arrival_date"})  # the raw stage adds these

# Bytes instead of text: the raw stage checks the encoding, so it must arrive unread.
LYRICS_SCHEMA = pa.schema([("track_id", pa.string()), ("lyrics_bytes", pa.binary())])


@dataclass(frozen=True, slots=True)
class Landed:
    """How much a source wrote: rows of each row source, files of each file source."""

    counts: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: Landed) -> Landed:
        """Sums by landing source."""
        names = [*self.counts, *(name for name in other.counts if name not in self.counts)]
        return Landed(
            {name: self.counts.get(name, 0) + other.counts.get(name, 0) for name in names}
        )


def landing_schema(table: Table) -> pa.Schema:
    """Columns of a landing file of a raw_ table; all nullable, as outside data may lack any."""
    return pa.schema(
        [
            pa.field(column.name, column.kind.arrow)
            for column in table.columns
            if column.name not in _ORIGIN
        ]
    )


def landing_rows(schema: pa.Schema, rows: Sequence[Sequence[object]]) -> pa.Table:
    """Rows, each with its values in the schema's order, as the Arrow table that is landed."""
    columns = [list(values) for values in zip(*rows, strict=True)] or [[] for _ in schema]
    arrays = [pa.array(values, each.type) for values, each in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)
