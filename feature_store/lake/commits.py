"""Finds a writer's own commit in a table's log by a mark that no other commit has.

The newest version after a write may be another writer's, so every write marks its commit and looks
for the mark afterwards. The mark also settles what became of a commit whose answer was lost: a
store that is asked again refuses the version that it has taken.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from feature_store.lake.lease import LeaseLost
from feature_store.lake.storage import Storage, open_storage

if TYPE_CHECKING:
    from feature_store.contract import Table

USER_METADATA = "userMetadata"
"""Where Delta keeps what a writer says of its commit; a column of DESCRIBE HISTORY."""

_MARK = "write="


class CommitLost(RuntimeError):
    """The writer's commit is not in the table's log: another writer's has taken its place."""


@dataclass(frozen=True, slots=True)
class Commit:
    """One entry of a table's log.

    Attributes:
        version: the Delta version that it made.
        actions: all that it did, as Delta's protocol describes it.
    """

    version: int
    actions: tuple[dict[str, Any], ...]

    @property
    def note(self) -> str:
        """What its writer says of it; empty for a commit that says nothing."""
        return str(self._info.get(USER_METADATA) or "")

    @property
    def metrics(self) -> dict[str, Any]:
        """Figures that the writer's engine has stored with the commit."""
        found: dict[str, Any] = self._info.get("operationMetrics", {})
        return found

    @property
    def added_bytes(self) -> int:
        """Size of the data files that the commit added."""
        return sum(action["add"]["size"] for action in self.actions if "add" in action)

    @property
    def _info(self) -> dict[str, Any]:
        return next((act["commitInfo"] for act in self.actions if "commitInfo" in act), {})


def marked(note: str, name: str = "") -> str:
    """The note with a mark that is unique to one write, `RUN write=3f…`, unless it has one.

    Args:
        note: the run, or what else writes.
        name: the mark, where the write has a name that no other write of the table has.
    """
    return note if _MARK in note else f"{note} {_MARK}{name or uuid.uuid4().hex}".strip()


def run_of_note(note: str) -> str:
    """What a writer said of its commit, without the mark."""
    return note.rpartition(_MARK)[0].strip() if _MARK in note else note


def find_commit(lake: str, table: Table, note: str, *, after: int) -> Commit | None:
    """The commit with this note among those after a version; None when it is not in the log."""
    return next((one for one in _commits_after(lake, table, after) if one.note == note), None)


def find_recent_commit(lake: str, table: Table, note: str, *, newest: int) -> Commit | None:
    """The commit with this note, searched from version `newest` back; None when it is purged."""
    storage = open_storage(lake)
    for version in range(newest, -1, -1):
        if not storage.exists(_path(table, version)):
            return None
        commit = _read(storage, table, version)
        if commit.note == note:
            return commit
    return None


def commit_once(
    lake: str,
    table: Table,
    note: str,
    *,
    after: int,
    commit: Callable[[], None],
) -> None:
    """Call `commit`, whose error is none when the log has the commit after all.

    Args:
        lake: the lake's address.
        table: contract of the table.
        note: the marked note of the commit.
        after: a version from before the write.
        commit: writes and commits by delta-rs.

    Raises:
        Exception: what `commit` raised, when the log does not have the commit.
    """
    from deltalake.exceptions import DeltaError

    try:
        commit()
    except (DeltaError, OSError):
        if find_commit(lake, table, note, after=after) is None:
            raise


def own_commit(
    lake: str,
    table: Table,
    note: str,
    *,
    after: int,
    check_lease: Callable[[], None] | None = None,
    may_be_none: bool = False,
) -> Commit:
    """The commit that this writer has just made.

    Args:
        lake: the lake's address.
        table: contract of the table.
        note: the marked note of the commit.
        after: a version from before the write.
        check_lease: raises LeaseLost once another writer may hold the table.
        may_be_none: the write had no row. Spark makes no commit when nothing changes; the version
            is then the one from before.

    Raises:
        LeaseLost: the lease expired during the write; says where the commit is and what is newest.
        CommitLost: the log does not have the commit.
    """
    try:
        if check_lease is not None:
            check_lease()
    except LeaseLost as error:
        raise LeaseLost(f"{error}; {_visible(lake, table, note, after)}") from error
    found = find_commit(lake, table, note, after=after)
    if found is None and may_be_none:
        return Commit(after, ())
    if found is None:
        raise CommitLost(
            f"{table.name}: {_visible(lake, table, note, after)}; another writer's commit has "
            "taken its place; stop that writer, then clear this task"
        )
    return found


def _visible(lake: str, table: Table, note: str, after: int) -> str:
    """Where the writer's commit is, and what readers of the newest version see."""
    commits = _commits_after(lake, table, after)
    own = next((one for one in commits if one.note == note), None)
    found_at = f"is version {own.version}" if own else f"is not in the log after version {after}"
    newest = commits[-1] if commits else None
    seen = (
        f"version {newest.version} of {run_of_note(newest.note) or 'an unnamed writer'}"
        if newest
        else f"version {after}"
    )
    return (
        f"this writer's commit ({run_of_note(note) or 'unnamed'}) {found_at}; readers of the "
        f"newest version see {seen}, readers of published tables what published_runs pins"
    )


def _commits_after(lake: str, table: Table, version: int) -> list[Commit]:
    """Entries of the log after a version, oldest first.

    DeltaTable.history numbers them wrongly when another writer has committed since it was opened.
    """
    storage, found = open_storage(lake), list[Commit]()
    while storage.exists(_path(table, version + 1 + len(found))):
        found.append(_read(storage, table, version + 1 + len(found)))
    return found


def _read(storage: Storage, table: Table, version: int) -> Commit:
    content = storage.read(_path(table, version))
    return Commit(version, tuple(json.loads(line) for line in content.splitlines() if line))


def _path(table: Table, version: int) -> str:
    return f"tables/{table.name}/_delta_log/{version:020}.json"
