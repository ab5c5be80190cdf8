"""Which tables and landing files hold personal data, and which of their rows are about a person.

A contract marks the columns that hold user ids. This module adds the places that no contract can
mark: user nodes of the graph, original rows of rejects, and landing files with unknown columns.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feature_store.contract import column_spelling
from feature_store.tables import TABLES

if TYPE_CHECKING:
    from feature_store.contract import Table
    from feature_store.privacy.person_filter import PersonFilter

_SHOWN_ELEMENTS = 1 << 20
_COLUMNS_WITHOUT_USER_IDS = frozenset(
    column_spelling(column.name)
    for table in TABLES.values()
    if table.layer == "raw"
    for column in table.columns
    if not column.is_person
) | {column_spelling("lyrics_bytes")}

MENTIONS = pa.schema([("row", pa.uint64()), ("user_id", pa.string())])
"""Pairs of a row's number in its batch and the id of a person whom the row names."""


def has_personal_data(table: Table) -> bool:
    """Whether a row of the table can name a person."""
    unmarked = table.name in {
        "raw_rejects",
        "graph_nodes",
        "run_waivers",
        "run_promotions",
        "published_runs",
    }
    return bool(table.person_columns) or unmarked or "reason_subject" in table.column_names


def person_mask(table: Table, rows: pa.Table, person_filter: PersonFilter) -> pa.Array:
    """Boolean mask: which rows are about a matched person, shape (n_rows,)."""
    return named_rows(person_mentions(table, rows, person_filter), rows.num_rows)


def person_mentions(table: Table, rows: pa.Table, person_filter: PersonFilter) -> pa.Table:
    """Which rows are about which matched people: pairs (row, user_id), some of them repeated."""
    found = [id_mentions(rows[name], person_filter) for name in table.person_columns]
    if table.name == "graph_nodes":
        is_user = pc.equal(rows["node_kind"], "user")
        found.append(id_mentions(pc.if_else(is_user, rows["node_id"], None), person_filter))
    if table.name == "raw_rejects":
        texts = rows["original_text"].to_pylist()
        found.append(mentions_in([_ids_in_row(text) for text in texts], person_filter))
    return pa.concat_tables([_no_mentions(), *found])


def landing_person_mask(rows: pa.Table, person_filter: PersonFilter) -> pa.Array:
    """The same mask for the rows of a landing file, whatever its columns are."""
    return named_rows(landing_person_mentions(rows, person_filter), rows.num_rows)


def landing_person_mentions(rows: pa.Table, person_filter: PersonFilter) -> pa.Table:
    """The same pairs for the rows of a landing file, whatever its columns are."""
    found = [
        _landing_column_mentions(name, values, person_filter)
        for name, values in zip(rows.column_names, rows.columns, strict=True)  # names may repeat
        if column_spelling(name) not in _COLUMNS_WITHOUT_USER_IDS
    ]
    return pa.concat_tables([_no_mentions(), *found])


def id_mentions(ids: pa.ChunkedArray, person_filter: PersonFilter) -> pa.Table:
    """The pairs of a column of ids."""
    matched = pa.array(person_filter.matched_among(ids), pa.string())
    is_named = pc.is_in(ids, value_set=matched)
    # NumPy's, because Arrow's indices_nonzero ends the process on a column without a chunk.
    rows = pa.array(np.flatnonzero(is_named.to_numpy()), pa.uint64())
    return pa.table({"row": rows, "user_id": ids.filter(is_named)}, schema=MENTIONS)


def mentions_in(ids_of_rows: Sequence[Iterable[str]], person_filter: PersonFilter) -> pa.Table:
    """The pairs of rows of which each holds any number of what may be ids."""
    pairs = [
        {"row": row, "user_id": user_id}
        for row, ids in enumerate(ids_of_rows)
        for user_id in ids
        if person_filter.matches(user_id)
    ]
    return pa.Table.from_pylist(pairs, schema=MENTIONS)


def named_rows(mentions: pa.Table, n_rows: int) -> pa.Array:
    """Boolean mask: which rows are in a pair, shape (n_rows,)."""
    mask = np.zeros(n_rows, dtype=bool)
    mask[mentions["row"].to_numpy()] = True
    return pa.array(mask)


def rows_by_person(mentions: pa.Table) -> Counter[str]:
    """How many rows name each person; a row that names two people counts for both."""
    known = mentions.filter(pc.is_valid(mentions["user_id"]))
    distinct = known.group_by(["row", "user_id"]).aggregate([])
    counts = pc.value_counts(distinct["user_id"])
    return Counter({each["values"]: each["counts"] for each in counts.to_pylist()})


def _no_mentions() -> pa.Table:
    return MENTIONS.empty_table()


def _ids_in_row(original_text: str) -> Iterator[str]:
    """What may be an id in a rejected row, which is kept as a JSON object."""
    try:
        row = json.loads(original_text)
    except json.JSONDecodeError:
        return
    if isinstance(row, dict):
        for name, value in row.items():
            if column_spelling(name) not in _COLUMNS_WITHOUT_USER_IDS:
                yield from _ids_in_value(value, is_user_column=_is_user_column(name))


def _landing_column_mentions(
    name: str, values: pa.ChunkedArray, person_filter: PersonFilter
) -> pa.Table:
    """Which values of a received column, of whatever type, are or contain which matched ids."""
    if pa.types.is_dictionary(values.type):  # a category of pandas
        values = values.cast(values.type.value_type)
    kind, is_user_column = values.type, _is_user_column(name)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return _received_text_mentions(values, person_filter)
    if pa.types.is_integer(kind) and is_user_column:
        return id_mentions(values.cast(pa.string()), person_filter)
    if not is_user_column and not pa.types.is_nested(kind):
        return _no_mentions()
    pairs = [
        {"row": row, "user_id": user_id}
        for row, scalar in enumerate(values)
        for user_id in _matched_in_scalar(scalar, person_filter, is_user_column=is_user_column)
    ]
    return pa.Table.from_pylist(pairs, schema=MENTIONS)


def _received_text_mentions(texts: pa.ChunkedArray, person_filter: PersonFilter) -> pa.Table:
    """As `id_mentions`; Arrow does not check that the text of a file is UTF-8."""
    ids = texts.cast(pa.large_binary())
    matched = [
        each
        for each in pc.unique(ids).to_pylist()
        if each is not None and person_filter.matches(each.decode(errors="surrogateescape"))
    ]
    is_named = pc.is_in(ids, value_set=pa.array(matched, pa.large_binary()))
    rows = pa.array(np.flatnonzero(is_named.to_numpy()), pa.uint64())
    named = [each.decode(errors="replace") for each in ids.filter(is_named).to_pylist()]
    return pa.table({"row": rows, "user_id": pa.array(named, pa.string())}, schema=MENTIONS)


def _matched_in_scalar(
    scalar: pa.Scalar, person_filter: PersonFilter, *, is_user_column: bool
) -> Iterator[str | None]:
    """The matched ids in a value; None where the filter matches and does not know whom."""
    try:
        value = scalar.as_py()
    except (ValueError, OverflowError, LookupError, AttributeError, pa.ArrowException):
        # Python has no object for a value in it, such as a year of five digits; Arrow shows it.
        shown = pa.array([scalar]).to_string(window=_SHOWN_ELEMENTS)
        if person_filter.matches_text(shown):
            known: Sequence[str | None] = person_filter.known_in_text(shown) or (None,)
            yield from known
        return
    ids = _ids_in_value(value, is_user_column=is_user_column)
    yield from filter(person_filter.matches, ids)


def _is_user_column(name: str) -> bool:
    return "user" in column_spelling(name)


def _ids_in_value(value: object, *, is_user_column: bool) -> Iterator[str]:
    """What may be an id in a value; a number is one in a column of users only."""
    if isinstance(value, list | tuple | dict):  # a map is a list of pairs
        for leaf in _elements(value):
            yield from _ids_in_value(leaf, is_user_column=is_user_column)
    elif isinstance(value, bytes):
        yield value.decode(errors="replace")
    elif isinstance(value, str):
        yield value
    elif is_user_column and value is not None:
        if isinstance(value, float | Decimal) and math.isfinite(value) and value == int(value):
            value = int(value)  # of a column of numbers with nulls, or of decimals
        yield str(value)


def _elements(value: list[Any] | tuple[Any, ...] | dict[str, Any]) -> Collection[Any]:
    return value.values() if isinstance(value, dict) else value
