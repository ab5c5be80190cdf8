"""Which columns of a landing file are those of its source, by their names.

A name counts as the contract's however it is spelt: `isOptedOut`, `is-opted-out`, `Is_Opted_Out `.
An optional column that is not recognised is null in every row, and null changes nothing, so an
opt-out would be lost without a word.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from feature_store.contract import Column, column_spelling
from jobs.landing.parquet_file import UnreadableFile
from jobs.raw.steps.rules import SOURCE_CONTRACTS


def column_positions(names: Sequence[str], source: str) -> dict[str, int]:
    """Position of each column of the source that a file has, by the contract's name.

    Raises:
        UnreadableFile: two columns have one name of the source, and which of them counts is not
            guessed; or the columns are those of another source.
    """
    by_spelling = {column_spelling(column.name): column.name for column in _columns(source)}
    positions = dict[str, int]()
    for position, name in enumerate(names):
        known = by_spelling.get(column_spelling(name))
        if known is None:
            continue  # columns that the source does not have do not count at all
        if known in positions:
            raise UnreadableFile(
                f"columns {names[positions[known]]!r} and {name!r} have one name, {known}: send "
                "one of them"
            )
        positions[known] = position
    _check_source(names, positions, source)
    return positions


def _check_source(names: Sequence[str], known: Collection[str], source: str) -> None:
    """Refuse a file in the folder of another source, whose content would be lost.

    It has the ids of the other source, a column that only the other source has, and nothing that
    this source has and the other one lacks.

    Raises:
        UnreadableFile: naming the folder that it belongs in.
    """
    spellings = {column_spelling(name) for name in names}
    for other in SOURCE_CONTRACTS:
        theirs = {column.name for column in _columns(other)}
        if other == source or set(known) - theirs:
            continue
        found = {name for name in theirs if column_spelling(name) in spellings}
        typical = found - _columns_of_others(other)
        if typical and found >= _ids(other):
            raise UnreadableFile(
                f"has columns of {other} ({', '.join(sorted(typical))}), and none that {other} "
                f"lacks and {source} has: land it in landing/{other}/"
            )


def _ids(source: str) -> set[str]:
    return {
        one.name for one in _columns(source) if one.name.endswith("_id") and not one.is_nullable
    }


def _columns_of_others(source: str) -> set[str]:
    return {one.name for other in SOURCE_CONTRACTS if other != source for one in _columns(other)}


def _columns(source: str) -> tuple[Column, ...]:
    return SOURCE_CONTRACTS[source].columns
