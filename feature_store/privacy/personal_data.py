"""Which tables and landing files hold personal data, and which of their rows are about a person.

A contract marks the columns that hold user ids. This module adds the places that no contract can
mark: user nodes of the graph, original rows of rejects, and landing files with unknown columns.
"""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from feature_store.tables import TABLES

if TYPE_CHECKING:
    from feature_store.contract import Table
    from feature_store.privacy.person_filter import PersonFilter

_SHOWN_ELEMENTS = 1 << 20
_COLUMNS_WITHOUT_USER_IDS = frozenset(
    column.name
    for table in TABLES.values()
    if table.layer == "raw"
    for column in table.columns
    if not column.is_person
) | {"lyrics_bytes"}


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
    mask = _empty_mask(rows)
    for name in table.person_columns:
        mask = pc.or_(mask, id_mask(rows[name], person_filter))
    if table.name == "graph_nodes":
        is_user = pc.equal(rows["node_kind"], "user")
        mask = pc.or_(mask, pc.and_(is_user, id_mask(rows["node_id"], person_filter)))
    if table.name == "raw_rejects":
        texts = rows["original_text"].to_pylist()
        about_person = [_is_row_about(text, person_filter) for text in texts]
        mask = pc.or_(mask, pa.array(about_person, pa.bool_()))
    return mask


def landing_person_mask(rows: pa.Table, person_filter: PersonFilter) -> pa.Array:
    """The same mask for the rows of a landing file, whatever its columns are."""
    mask = _empty_mask(rows)
    for name, values in zip(rows.column_names, rows.columns, strict=True):  # names may repeat
        if name.lower() not in _COLUMNS_WITHOUT_USER_IDS:
            mask = pc.or_(mask, _landing_column_mask(name, values, person_filter))
    return mask


def id_mask(ids: pa.ChunkedArray, person_filter: PersonFilter) -> pa.Array:
    """Boolean mask: which ids match; the filter sees each distinct id once."""
    distinct_ids = pc.unique(ids).to_pylist()
    matched = [each for each in distinct_ids if each is not None and person_filter.matches(each)]
    return pc.is_in(ids, value_set=pa.array(matched, pa.string())).combine_chunks()


def _empty_mask(rows: pa.Table) -> pa.Array:
    return pa.array([False] * rows.num_rows, pa.bool_())


def _is_row_about(original_text: str, person_filter: PersonFilter) -> bool:
    """Whether a rejected row, kept as a JSON object, is about a matched person."""
    try:
        row = json.loads(original_text)
    except json.JSONDecodeError:
        return False
    return isinstance(row, dict) and any(
        _holds_id(value, person_filter, _is_user_column(name))
        for name, value in row.items()
        if name.lower() not in _COLUMNS_WITHOUT_USER_IDS
    )


def _landing_column_mask(
    name: str, values: pa.ChunkedArray, person_filter: PersonFilter
) -> pa.Array:
    """Which values of a received column, of whatever type, are or contain a matched id."""
    if pa.types.is_dictionary(values.type):  # a category of pandas
        values = values.cast(values.type.value_type)
    kind, is_user_column = values.type, _is_user_column(name)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return _received_text_mask(values, person_filter)
    if pa.types.is_integer(kind) and is_user_column:
        return id_mask(values.cast(pa.string()), person_filter)
    if not is_user_column and not pa.types.is_nested(kind):
        return pa.array([False] * len(values), pa.bool_())
    matched = [_scalar_holds_id(each, person_filter, is_user_column) for each in values]
    return pa.array(matched, pa.bool_())


def _received_text_mask(texts: pa.ChunkedArray, person_filter: PersonFilter) -> pa.Array:
    """As `id_mask`; Arrow does not check that the text of a file is UTF-8."""
    ids = texts.cast(pa.large_binary())
    matched = [
        each
        for each in pc.unique(ids).to_pylist()
        if each is not None and person_filter.matches(each.decode(errors="surrogateescape"))
    ]
    return pc.is_in(ids, value_set=pa.array(matched, pa.large_binary())).combine_chunks()


def _scalar_holds_id(scalar: pa.Scalar, person_filter: PersonFilter, is_user_column: bool) -> bool:
    try:
        value = scalar.as_py()
    except (ValueError, OverflowError, LookupError, AttributeError, pa.ArrowException):
        # Python has no object for a value in it, such as a year of five digits; Arrow shows it.
        shown = pa.array([scalar]).to_string(window=_SHOWN_ELEMENTS)
        return person_filter.matches_text(shown)
    return _holds_id(value, person_filter, is_user_column)


def _is_user_column(name: str) -> bool:
    return "user" in name.lower()


def _holds_id(value: object, person_filter: PersonFilter, is_user_column: bool) -> bool:
    if isinstance(value, list | dict):
        return any(_holds_id(leaf, person_filter, is_user_column) for leaf in _elements(value))
    if isinstance(value, bytes):
        return person_filter.matches(value.decode(errors="replace"))
    if isinstance(value, str):
        return person_filter.matches(value)
    if isinstance(value, float | Decimal) and math.isfinite(value) and value == int(value):
        value = int(value)  # of a column of numbers with nulls, or of decimals
    return is_user_column and value is not None and person_filter.matches(str(value))


def _elements(value: list[Any] | dict[str, Any]) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value
