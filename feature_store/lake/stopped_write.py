"""Deletes the data files of a write that was stopped before its commit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from feature_store.lake.storage import open_storage

if TYPE_CHECKING:
    from feature_store.contract import Table


@contextmanager
def deleting_files_if_stopped(
    lake: str, table: Table, check_lease: Callable[[], None]
) -> Iterator[Callable[[], None]]:
    """Delete the table's new data files when an error leaves the block.

    They may hold rows of an erased person. Yields a function that the caller calls when all rows
    are written: from then on the log may name the files, and they stay.

    Args:
        lake: the lake's address.
        table: contract of the table, whose lease the caller holds.
        check_lease: what `writer_lease` yields.

    Raises:
        LeaseLost: the lease expired, so new files may be another writer's, and committed: all stay
            until `vacuum`.
    """
    files_before, is_complete = _data_files(lake, table), list[bool]()
    try:
        yield lambda: is_complete.append(True)
    except BaseException:
        if not is_complete:
            check_lease()
            storage = open_storage(lake)
            for path in sorted(_data_files(lake, table) - files_before):
                storage.delete(path)
        raise


def _data_files(lake: str, table: Table) -> set[str]:
    """Paths of the table's data files, whether a version refers to them or not."""
    files = open_storage(lake).list(f"tables/{table.name}")
    return {
        file.path
        for file in files
        if file.path.endswith(".parquet") and "_delta_log" not in file.path
    }
