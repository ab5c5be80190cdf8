"""Arrow tables of landing files, with the columns of their raw_ table."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from feature_store.contract import Table

_ADDED_BY_RAW_STAGE = frozenset({"source_file", "source_row", "arrival_date"})

# Lyrics land as bytes: the raw stage checks their encoding.
LYRICS_SCHEMA = pa.schema([("track_id", pa.string()), ("lyrics_bytes", pa.binary())])


def landing_schema(table: Table) -> pa.Schema:
    """Columns of a landing file of a raw_ table; all nullable, as outside data may lack any."""
    return pa.schema(
        [
            pa.field(column.name, column.kind.arrow)
            for column in table.columns
            if column.name not in _ADDED_BY_RAW_STAGE
        ]
    )


def landing_table(schema: pa.Schema, rows: Sequence[Sequence[object]]) -> pa.Table:
    """Arrow table of `rows`, each with its values in the order of `schema`."""
    columns = [list(values) for values in zip(*rows, strict=True)] or [[] for _ in schema]
    arrays = [pa.array(values, each.type) for values, each in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)
