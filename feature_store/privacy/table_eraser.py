"""TableEraser: searches a table's files for people, and commits files without them in their place.

    eraser = TableEraser(lake, table, people)
    eraser.prepare()                    # searches, and stages files; no lease, and no writer waits
    erasure = eraser.erase(wait_s=0)    # looks at files that came meanwhile, and commits

`prepare` reads every file of the newest version once, and writes what takes the place of each that
names a person. `erase` holds the table's lease, so it sees the commit of every writer before it,
and no writer commits beside it. A file never changes: one that was searched stays clean, and one
that a writer has taken out of the table meanwhile is left out. Writers without a lease append only;
delta-rs refuses a commit that lost the race to theirs, and `erase` looks again.

The commit names files and no person: an overwrite with a predicate on ids would put them into the
log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from feature_store.lake.delta_tables import open_table
from feature_store.lake.file_replacement import (
    DataFile,
    as_added,
    data_files,
    discard_staged,
    fragments,
    missing_files,
    read_file,
    replace_files,
    stage_file,
)
from feature_store.lake.lease import WAIT_S, writer_lease
from feature_store.privacy.person_filter import PersonFilter
from feature_store.privacy.row_erasure import erase_from_rows, naming_columns

if TYPE_CHECKING:
    import pyarrow.dataset as ds
    from deltalake import DeltaTable

    from feature_store.contract import Table

COMMIT_MARK = "evensong.erasure"
"""Metadata key of the commits of an erasure; the commits never hold an id."""

_ATTEMPTS = 5


class RewriteConflict(RuntimeError):
    """Other writers committed during every attempt to rewrite the table."""


@dataclass(frozen=True, slots=True)
class TableErasure:
    """The result of an erasure from one table.

    Attributes:
        version: the version without the people that holds the pinned slice.
        removed: number of removed rows about the people.
        changed: number of other rows that named one of them.
        by_person: of these rows, how many named each person; one may count for several.
        is_slice_changed: whether rows of the pinned slice are among them.
        files: number of rewritten files.
    """

    version: int
    removed: int
    changed: int
    by_person: Counter[str] = field(default_factory=Counter, repr=False)
    is_slice_changed: bool = False
    files: int = 0

    @property
    def n_rows(self) -> int:
        """Number of rows that named the people."""
        return self.removed + self.changed


@dataclass(frozen=True, slots=True)
class PinnedSlice:
    """The slice of a published table that readers see."""

    version: int
    as_of: date


@dataclass(frozen=True, slots=True)
class Found:
    """What the search of one file found: counts as in RowErasure, and the file in its place."""

    removed: int = 0
    changed: int = 0
    by_person: Counter[str] = field(default_factory=Counter, repr=False)
    staged: DataFile | None = None

    @property
    def names_people(self) -> bool:
        """Whether a row of the file names one of the people."""
        return self.removed + self.changed > 0


class TableEraser:
    """The erasure of some people from one table: what is searched, and what is staged for it."""

    def __init__(self, lake: str, table: Table, person_filter: PersonFilter) -> None:
        self.table = table
        self._lake = lake
        self._person_filter = person_filter
        self._found: dict[str, Found] = {}
        self._committed: set[str] = set()

    def prepare(self, pinned: PinnedSlice | None = None) -> None:
        """Search the files of the newest and of the pinned version, and stage their replacements.

        Files that an earlier call searched are not read again.
        """
        versions = {None} if pinned is None else {None, pinned.version}
        for version in versions:
            self._search(open_table(self._lake, self.table, version))

    def erase(
        self, pinned: PinnedSlice | None = None, *, wait_s: float = WAIT_S
    ) -> TableErasure | None:
        """Commit what is prepared, with the table's lease; None when no row names the people.

        A table with a pinned slice always has a result: the version that may be pinned instead,
        because earlier versions are purged. If a later run staged that slice again, the published
        rows first get a version of their own.

        Raises:
            LeaseTaken: a writer still holds the table after `wait_s` seconds; nothing changed.
            RewriteConflict: writers without a lease committed during every attempt.
        """
        from deltalake.exceptions import CommitFailedError

        with writer_lease(self._lake, self.table.name, wait_s=wait_s):
            self._forget_lost_files()
            for _ in range(_ATTEMPTS):
                self.prepare(pinned)
                opened = open_table(self._lake, self.table)
                self._search(opened)
                try:
                    return self._commit(opened, pinned)
                except CommitFailedError:
                    continue
        raise RewriteConflict(
            f"{self.table.name}: {_ATTEMPTS} commits of other writers came while it was rewritten; "
            "nothing was changed; clear the task, or continue with `evensong erase --resume`"
        )

    def names_people(self) -> bool:
        """Whether a file of the newest version names them, for whoever reads the table now."""
        opened = open_table(self._lake, self.table)
        self._search(opened)
        return bool(self._naming(data_files(opened, self.table).values()))

    def discard(self) -> None:
        """Delete the staged files that were not committed."""
        unneeded = self._staged().keys() - self._committed
        discard_staged(open_table(self._lake, self.table), unneeded)

    def _staged(self) -> dict[str, str]:
        """The files in whose place one is staged, by the staged file."""
        return {
            found.staged.path: path
            for path, found in self._found.items()
            if found.staged is not None
        }

    def _forget_lost_files(self) -> None:
        """Search again where the staged file is gone: a writer that fails deletes what came."""
        staged = self._staged()
        opened = open_table(self._lake, self.table)
        for lost in missing_files(opened, staged.keys() - self._committed):
            del self._found[staged[lost]], self._found[lost]

    def _search(self, opened: DeltaTable) -> None:
        files = data_files(opened, self.table)
        unseen = files.keys() - self._found.keys()
        if not unseen:
            return
        found = fragments(opened)
        for path in sorted(unseen):
            self._found[path] = self._search_file(opened, files[path], found[path])

    def _search_file(self, opened: DeltaTable, file: DataFile, fragment: ds.Fragment) -> Found:
        """Count the rows of a file that name the people; stage a file without them."""
        counted = search_rows(self.table, fragment, self._person_filter)
        if not counted.names_people:
            return counted
        kept = (
            erase_from_rows(self.table, rows, self._person_filter).rows
            for rows in read_file(fragment, self.table)
        )
        staged = stage_file(opened, self.table, file, kept)
        if staged is not None:
            self._found[staged.path] = Found()
        return Found(counted.removed, counted.changed, counted.by_person, staged)

    def _commit(self, opened: DeltaTable, pinned: PinnedSlice | None) -> TableErasure | None:
        files = data_files(opened, self.table)
        if pinned is None:
            named = self._naming(files.values())
            if not named:
                return None
            version = self._replace(opened, named, self._instead_of(named))
            return self._result(version, named)
        published = open_table(self._lake, self.table, pinned.version)
        in_slice = _files_of_day(data_files(published, self.table), self.table, pinned.as_of)
        staged = _files_of_day(files, self.table, pinned.as_of)
        named_in_slice = self._naming(in_slice)
        if {one.path for one in in_slice} == {one.path for one in staged}:
            named = self._naming(files.values())
            version = opened.version()
            if named:
                version = self._replace(opened, named, self._instead_of(named))
            return self._result(version, named, is_slice_changed=bool(named_in_slice))
        return self._commit_both_slices(opened, published, in_slice, staged)

    def _commit_both_slices(
        self,
        opened: DeltaTable,
        published: DeltaTable,
        in_slice: Collection[DataFile],
        staged: Collection[DataFile],
    ) -> TableErasure:
        """Commit the published slice, whose version is pinned, and the staged slice after it.

        The slices share files where only others were replaced, as after an erasure that was killed
        before its publication; what has to stay is not committed again.
        """
        files = data_files(opened, self.table)
        is_staged = {one.path for one in staged}
        named = self._naming(one for path, one in files.items() if path not in is_staged)
        named_in_slice = self._naming(in_slice)
        shown = self._without_people(published, in_slice)
        left = self._without_people(opened, staged)
        version = self._replace(opened, [*named, *staged], [*self._instead_of(named), *shown])
        self._replace(open_table(self._lake, self.table, version), shown, left)
        all_named = [*named, *named_in_slice, *self._naming(staged)]
        return self._result(
            version,
            list({one.path: one for one in all_named}.values()),
            is_slice_changed=bool(named_in_slice),
        )

    def _naming(self, files: Iterable[DataFile]) -> list[DataFile]:
        return [one for one in files if self._found[one.path].names_people]

    def _instead_of(self, named: Iterable[DataFile]) -> list[DataFile]:
        """The staged files; none for a file that had rows about the people only."""
        staged = [self._found[one.path].staged for one in named]
        return [one for one in staged if one is not None]

    def _without_people(self, opened: DeltaTable, files: Iterable[DataFile]) -> list[DataFile]:
        """The files as a commit adds them again, each that names people by its replacement."""
        kept = []
        for one in files:
            if self._found[one.path].names_people:
                kept += self._instead_of([one])
            else:
                kept.append(as_added(opened, self.table, one))
        return kept

    def _replace(
        self, opened: DeltaTable, removed: Collection[DataFile], added: Collection[DataFile]
    ) -> int:
        """Commit what differs; returns the version, the opened one where nothing does."""
        stay = {one.path for one in removed} & {one.path for one in added}
        removed = [one for one in removed if one.path not in stay]
        added = [one for one in added if one.path not in stay]
        if not removed and not added:
            return opened.version()
        marks = {COMMIT_MARK: "rows rewritten"}
        version = replace_files(opened, self.table, removed, added, note="erasure", marks=marks)
        self._committed |= {one.path for one in added}
        return version

    def _result(
        self, version: int, named: Sequence[DataFile], *, is_slice_changed: bool = False
    ) -> TableErasure:
        found = [self._found[one.path] for one in named]
        return TableErasure(
            version,
            sum(one.removed for one in found),
            sum(one.changed for one in found),
            sum((one.by_person for one in found), Counter()),
            is_slice_changed,
            len(named),
        )


def search_rows(table: Table, fragment: ds.Fragment, person_filter: PersonFilter) -> Found:
    """Count the rows of a file that name people; reads only the columns that can."""
    removed, changed, by_person = 0, 0, Counter[str]()
    for rows in read_file(fragment, table, naming_columns(table)):
        erasure = erase_from_rows(table, rows, person_filter)
        removed, changed = removed + erasure.removed, changed + erasure.changed
        by_person += erasure.by_person
    return Found(removed, changed, by_person)


def _files_of_day(files: dict[str, DataFile], table: Table, day: date) -> list[DataFile]:
    column = table.time.column
    return [one for one in files.values() if one.partition_values[column] == day.isoformat()]
