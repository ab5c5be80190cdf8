"""Which content has rows of a model's version in a table, and values in lists of one size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from feature_store.lake.arrow_io import exists, read_table

if TYPE_CHECKING:
    import pyarrow as pa

    from feature_store.contract import Table
    from training.tasks.protocol import ScoringModel

Key = tuple[str, ...]
"""Values of the key columns of a content."""

_Value = TypeVar("_Value")


def key_columns(table: Table) -> list[str]:
    """The key columns of the content, without those of the model."""
    return [name for name in table.key if name not in {"family", "model_version"}]


def keys_of(rows: pa.Table, names: list[str]) -> Iterator[Key]:
    """The key of each row."""
    return zip(*(rows[name].to_pylist() for name in names), strict=True)


def stored_keys(lake: str, table: Table, scoring: ScoringModel) -> set[Key]:
    """Keys of the content that has a row of the model's version; none without the table."""
    if not exists(lake, table):
        return set()
    names = key_columns(table)
    rows = read_table(lake, table, columns=names, where=asdict(scoring), in_key_order=False)
    return set(keys_of(rows, names))


def in_lists(values: Iterable[_Value], size: int) -> Iterator[list[_Value]]:
    """The values in lists of at most `size`."""
    remaining = iter(values)
    while some := list(islice(remaining, size)):
        yield some
