"""Erasure from what the landing zone says of its files: their paths, and the manifests."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from feature_store.lake.storage import FolderStorage
from feature_store.privacy.person_filter import ERASED
from jobs.landing.file_erasure import is_marked
from jobs.landing.layout import FILE_SOURCES, LANDING, ROW_SOURCES, leave_out, numbered_paths
from jobs.landing.manifest_files import change_manifests, manifest_lease
from jobs.landing.manifests import closed_days

if TYPE_CHECKING:
    from datetime import date

    from feature_store.lake.storage import Storage
    from feature_store.privacy.person_filter import PersonFilter

_DAY_FOLDER = re.compile(r"\d{4}-\d{2}-\d{2}")


def erase_from_names(
    storage: Storage, paths: Iterable[str], person_filter: PersonFilter
) -> dict[str, str]:
    """Rename files whose path holds the id, in manifests too; returns the new paths by the old.

    Manifests also lose the id where they name files that do not count, and an operator's reason
    that names the person. The old file goes last: killed before that, the next try finds it and
    does all of it again.
    """
    with manifest_lease(storage) as check_lease:
        renamed = {
            path: _written_beside(storage, new, storage.read(path))
            for path in paths
            if (new := path_without_ids(path, person_filter)) != path
        }
        change = partial(_without_person, renamed, person_filter)
        change_manifests(storage, closed_days(storage), change, check_lease)
        for old in renamed:
            storage.delete(old)
            _remove_empty_folders(storage, old)
    return renamed


def correct_manifests(storage: Storage, days: Iterable[date]) -> None:
    """Write the sizes of rewritten files into the manifests that list them."""
    with manifest_lease(storage) as check_lease:
        byte_counts = {file.path: file.byte_count for file in storage.list(LANDING, leave_out)}
        change = partial(_with_sizes, storage, byte_counts)
        change_manifests(storage, days, change, check_lease)


def path_without_ids(path: str, person_filter: PersonFilter) -> str:
    """The path of a landing file without ids in its name and in folders outside the layout."""
    *folders, name = path.split("/")
    kept = [
        folder if index == 0 or _is_of_layout(folder) else person_filter.rename(folder)
        for index, folder in enumerate(folders)
    ]
    return "/".join([*kept, person_filter.rename(name)])


def people_in_path(path: str, person_filter: PersonFilter) -> set[str]:
    """The ids that `path_without_ids` removes, as far as the filter knows ids."""
    _, *folders, name = path.split("/")
    parts = [*(folder for folder in folders if not _is_of_layout(folder)), name]
    return {user_id for part in parts for user_id in person_filter.known_in_path(part)}


def _is_of_layout(folder: str) -> bool:
    """Whether a folder has a name of the layout: `listens` is no person there."""
    return folder in ROW_SOURCES + FILE_SOURCES or _DAY_FOLDER.fullmatch(folder) is not None


def _without_person(
    renamed: Mapping[str, str], person_filter: PersonFilter, manifest: dict[str, Any]
) -> dict[str, Any]:
    """A manifest's content without the person."""
    files = []
    for file in manifest["files"]:
        kept = file | {"path": renamed.get(file["path"], file["path"])}
        if "withdrawn" in file and person_filter.matches_text(file["withdrawn"]):
            kept |= {"withdrawn": ERASED}
        files.append(kept)
    not_taken = [
        one | {"path": renamed.get(one["path"]) or path_without_ids(one["path"], person_filter)}
        for one in manifest.get("not_taken", ())
    ]
    return manifest | {"files": files} | ({"not_taken": not_taken} if not_taken else {})


def _with_sizes(
    storage: Storage, byte_counts: Mapping[str, int], manifest: dict[str, Any]
) -> dict[str, Any]:
    """A manifest's content with the sizes of files that an erasure rewrote."""
    files = []
    for file in manifest["files"]:
        found = byte_counts.get(file["path"])
        is_rewritten = found not in {None, file["byte_count"]} and is_marked(storage, file["path"])
        files.append(file | {"byte_count": found} if is_rewritten else file)
    return manifest | {"files": files}


def _written_beside(storage: Storage, path: str, content: bytes) -> str:
    """Write under the first name that is free, or holds these bytes already; returns the name.

    Two names may hold one id, and a file of an earlier erasure may have the name.
    """
    for name in numbered_paths(path):
        if storage.put_if_absent(name, content) or storage.read(name) == content:
            return name
    raise AssertionError  # there is always a next number


def _remove_empty_folders(storage: Storage, path: str) -> None:
    """Remove folders that a renamed file leaves empty: their names may hold the id."""
    if not isinstance(storage, FolderStorage):
        return  # an object store has no folders
    for folder in (storage.root / path).parents:
        if folder == storage.root / LANDING or any(folder.iterdir()):
            return
        folder.rmdir()
