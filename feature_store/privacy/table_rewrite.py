"""Erasure of people from a Delta table: rewrite the files that name them, then purge the history.

Earlier versions serve their readers until `purge_history`, which keeps only the given versions: the
log then begins with a checkpoint at the oldest of them. Earlier log entries with their statistics,
checksums and data files are deleted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from feature_store.lake.delta_tables import open_table
from feature_store.lake.file_replacement import fragments, read_file
from feature_store.lake.lease import writer_lease
from feature_store.lake.storage import Storage, open_storage
from feature_store.privacy.person_filter import PersonFilter
from feature_store.privacy.personal_data import person_mask
from feature_store.privacy.suppression import ErasedDuringRun
from feature_store.privacy.table_eraser import (
    COMMIT_MARK,
    PinnedSlice,
    TableEraser,
    TableErasure,
    search_rows,
)

if TYPE_CHECKING:
    from feature_store.contract import Table

_LOG_ENTRY = re.compile(r"\.?(\d{20})\.(?:json|crc|checkpoint|compacted|\d{20}).*")

_APPENDED_WITHOUT_A_LEASE = {
    "published_runs",
    "run_metrics",
    "run_models",
    "run_promotions",
    "run_waivers",
    "run_erasures",
}


def erase_from_table(
    lake: str, table: Table, person_filter: PersonFilter, *, pinned: PinnedSlice | None = None
) -> TableErasure | None:
    """Rewrite the files that name the people; None when no row does and nothing is pinned."""
    eraser = TableEraser(lake, table, person_filter)
    eraser.prepare(pinned)
    return eraser.erase(pinned)


def check_not_rewritten(lake: str, table: Table, version: int) -> None:
    """Refuse a version from before an erasure: it holds the person and will be purged.

    Raises:
        ErasedDuringRun: an erasure rewrote the table after `version`; names the task to clear.
    """
    for commit in open_table(lake, table).history():
        if commit["version"] > version and COMMIT_MARK in commit:
            raise ErasedDuringRun(
                f"{table.name}: a person was erased after version {version} had been staged, which "
                f"may hold that person; nothing was published; clear the task {table.name}, it "
                "computes its rows again"
            )


def was_rewritten(lake: str, table: Table, since: datetime) -> bool:
    """Whether an erasure has rewritten the table since a time (UTC)."""
    since_ms = since.timestamp() * 1000
    return any(
        COMMIT_MARK in commit and commit["timestamp"] >= since_ms
        for commit in open_table(lake, table).history()
    )


def count_rows_by_person(
    lake: str, table: Table, person_filter: PersonFilter, versions: Iterable[int | None] = (None,)
) -> Counter[str]:
    """Number of rows that name each person, in files of any of the versions; None is the newest."""
    found: Counter[str] = Counter()
    seen = set[str]()
    for version in versions:
        for path, fragment in fragments(open_table(lake, table, version)).items():
            if path not in seen:
                found += search_rows(table, fragment, person_filter).by_person
                seen.add(path)
    return found


def count_matching_rows(lake: str, table: Table, person_filter: PersonFilter) -> int:
    """Number of rows of the newest version that name one of the people."""
    searched = (
        search_rows(table, fragment, person_filter)
        for fragment in fragments(open_table(lake, table)).values()
    )
    return sum(one.removed + one.changed for one in searched)


def read_matching_rows(lake: str, table: Table, person_filter: PersonFilter) -> pa.Table:
    """The rows about the person, without other rows that only name the person."""
    theirs = [
        rows.filter(person_mask(table, rows, person_filter))
        for fragment in fragments(open_table(lake, table)).values()
        for rows in read_file(fragment, table)
    ]
    return pa.concat_tables(theirs) if theirs else table.arrow_schema.empty_table()


def purge_history(lake: str, table: Table, keep: Sequence[int] = ()) -> int:
    """Delete all versions except `keep` and the newest, with their log; returns the files deleted.

    Some tables are appended to without a lease. There, files that no version lists stay, because a
    writer may be about to commit them.
    """
    with writer_lease(lake, table.name):
        opened = open_table(lake, table)
        if opened.version() == 0:
            return 0
        kept = sorted({*keep, opened.version()})
        open_table(lake, table, kept[0]).create_checkpoint()
        storage = open_storage(lake)
        entries = _delete_log_before(storage, table, kept[0])
        is_leased = table.name not in _APPENDED_WITHOUT_A_LEASE
        files = open_table(lake, table).vacuum(
            retention_hours=0,
            dry_run=False,
            enforce_retention_duration=False,
            full=is_leased,
            keep_versions=kept,
        )
        return entries + len(files)


def _delete_log_before(storage: Storage, table: Table, version: int) -> int:
    """Delete log entries, checkpoints and checksums of earlier versions, Hadoop's included."""
    folder = f"tables/{table.name}"
    deleted = 0
    for file in list(storage.list(f"{folder}/_delta_log")):
        entry = _LOG_ENTRY.fullmatch(file.path.rsplit("/", 1)[1])
        if entry and int(entry[1]) < version:
            storage.delete(file.path)
            deleted += 1
    return deleted
