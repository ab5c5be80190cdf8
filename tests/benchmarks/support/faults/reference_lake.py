"""A lake with one published night, and its contents after an undisturbed second night."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from feature_store.lake.storage import open_storage
from tests.support import toy_dataset
from tests.support.lake_contents import reader_events, table_contents
from tests.support.night_processes import (
    start_erasure,
    start_night,
    wait_for_output,
    wait_for_summary,
)
from tests.support.object_store import running_object_store

ERASED = "rock-3"
Contents = dict[str, dict[str, Any]]
"""Rows and content hash by table and day."""


@dataclass(frozen=True, slots=True)
class ReferenceLake:
    """A lake before its second night, and its contents after an undisturbed second night.

    Attributes:
        contents: after the night.
        contents_after_erasure: after an erasure of ERASED and the night.
    """

    folder: Path
    contents: Contents
    contents_after_erasure: Contents

    @property
    def lake(self) -> Path:
        """The lake with one published night and the next day landed."""
        return self.folder / "lake"

    @property
    def state(self) -> Path:
        """The state folder of the installation that ran the night."""
        return self.folder / "state"


def build_reference(folder: Path) -> ReferenceLake:
    """Run both nights in `folder`; a later call reads what the first call left there."""
    results = folder / "reference.json"
    lake, state = folder / "lake", folder / "state"
    if not results.exists():
        shutil.rmtree(folder, ignore_errors=True)
        toy_dataset.land_toy_dataset(open_storage(str(lake)))
        wait_for_summary(start_night(str(lake), state, toy_dataset.LAST_DAY))
        toy_dataset.land_next_day(open_storage(str(lake)))
        for name in ("undisturbed", "erased"):
            shutil.copytree(lake, folder / name / "lake")
            shutil.copytree(state, folder / name / "state", symlinks=True)
        undisturbed, erased = folder / "undisturbed", folder / "erased"
        wait_for_output(start_erasure(str(erased / "lake"), erased / "state", ERASED))
        for root in (undisturbed, erased):
            wait_for_summary(start_night(str(root / "lake"), root / "state", toy_dataset.NEXT_DAY))
        contents = {
            "undisturbed": contents_of_both_days(str(undisturbed / "lake")),
            "erased": contents_of_both_days(str(erased / "lake")),
        }
        results.write_text(json.dumps(contents))
    contents = json.loads(results.read_text())
    return ReferenceLake(folder, contents["undisturbed"], contents["erased"])


def contents_of_both_days(lake: str) -> Contents:
    """Contents of the lake for either day, and the number of reader events for LAST_DAY by action."""
    published = Counter(reader_events(lake))
    return {
        f"{name} of {day}": table
        for day in (toy_dataset.LAST_DAY, toy_dataset.NEXT_DAY)
        for name, table in table_contents(lake, day).items()
    } | {
        f"published_runs, {action} of {toy_dataset.LAST_DAY}": {"rows": count, "content_sha256": ""}
        for (day, action), count in published.items()
        if day == f"{toy_dataset.LAST_DAY}"
    }


def lost_rows(expected: Contents, actual: Contents) -> int:
    """Rows that are expected and missing, summed over tables."""
    return sum(
        max(0, table["rows"] - actual.get(name, {"rows": 0})["rows"])
        for name, table in expected.items()
    )


def hash_mismatches(expected: Contents, actual: Contents) -> int:
    """Number of expected tables whose content hash differs."""
    return sum(
        actual.get(name, {}).get("content_sha256") != table["content_sha256"]
        for name, table in expected.items()
    )


@contextmanager
def storage_environment(where: str) -> Iterator[None]:
    """For `s3`, run an object store and set its environment variables; for `local`, do nothing."""
    if where == "local":
        yield
        return
    with running_object_store() as variables:
        os.environ |= variables
        yield
        for name in variables:
            del os.environ[name]


@contextmanager
def copied_lake(reference: ReferenceLake, where: str) -> Iterator[tuple[str, Path]]:
    """A copy of the lake and of the state folder, deleted at the end of the `with`."""
    with tempfile.TemporaryDirectory() as folder:
        state = shutil.copytree(reference.state, Path(folder) / "state", symlinks=True)
        if where == "local":
            yield str(shutil.copytree(reference.lake, Path(folder) / "lake")), state
            return
        import boto3

        bucket = f"faults-{uuid.uuid4().hex[:12]}"
        boto3.client("s3").create_bucket(Bucket=bucket)
        source, target = open_storage(str(reference.lake)), open_storage(f"s3://{bucket}/lake")
        for file in source.list(""):
            target.write(file.path, source.read(file.path))
        yield f"s3://{bucket}/lake", state
