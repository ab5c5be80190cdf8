"""LandingEraser: erases people from landing files, and holds up nights only while it writes.

A search without a lease finds the files that name the people. Files are then rewritten with the
nights' lease, some at a time: a night that closes a day must not read a file and its manifest
between their two writes. The last time also takes the files that came since the search.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from feature_store.lake.lease import writer_lease
from feature_store.lake.storage import open_storage
from feature_store.lake.stored_file import StorageError
from feature_store.privacy.suppression import LEASE
from jobs.landing.erasure import erase_from_landing, names_person, searchable_files

if TYPE_CHECKING:
    from feature_store.lake.stored_file import StoredFile
    from feature_store.privacy.batch import Batch
    from feature_store.privacy.person_filter import People

FILES_A_HOLD = 20


class LandingEraser:
    """The erasure of a batch's people from the landing files of a lake."""

    def __init__(self, batch: Batch, people: People) -> None:
        self._batch = batch
        self._people = people
        self._lake = batch.settings.lake
        self._storage = open_storage(self._lake)
        self._searched: dict[str, StoredFile] = {}
        self._named: list[StoredFile] = []

    def prepare(self) -> None:
        """Find the files that name the people; nothing is written."""
        for file in searchable_files(self._storage):
            self._searched[file.path] = file
            if self._names_people(file):
                self._named.append(file)

    def erase_most(self) -> None:
        """Rewrite what was found, but for the last few files; holds the nights' lease at times."""
        while len(self._named) > FILES_A_HOLD:
            some, self._named = self._named[:FILES_A_HOLD], self._named[FILES_A_HOLD:]
            with writer_lease(self._lake, LEASE):
                self._erase([file for file in some if self._storage.exists(file.path)])

    def erase_rest(self) -> None:
        """Rewrite the rest, and whatever came since the search; the caller holds the lease.

        Manifests lose the people even where no file names them: they also list what did not count.
        """
        found = {file.path: file for file in searchable_files(self._storage)}
        came = [path for path, file in found.items() if self._searched.get(path) != file]
        due = sorted({*(file.path for file in self._named), *came} & found.keys())
        self._erase([found[path] for path in due])
        self._named = []
        self._searched = {
            file.path: file
            for file in searchable_files(self._storage)
            if file.path in due or found.get(file.path) == file  # others came meanwhile
        }

    def _names_people(self, file: StoredFile) -> bool:
        """Whether the file names them; no for one that was renamed or removed while nights go on.

        A file that is there and cannot be read stays an error of the storage.
        """
        try:
            return names_person(self._storage, file, self._people)
        except StorageError:
            if self._storage.exists(file.path):
                raise
            return False

    def _erase(self, files: list[StoredFile]) -> None:
        erasure = erase_from_landing(self._storage, self._people, files)
        self._batch.add("landing", erasure.rows_by_person)
        self._batch.add("landing file names", erasure.renamed_by_person)
