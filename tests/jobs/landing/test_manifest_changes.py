"""Two who change one manifest at once: nothing that either of them wrote is lost."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial
from threading import Barrier, BrokenBarrierError

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feature_store.lake.lease import LeaseTaken, writer_lease
from feature_store.lake.storage import FolderStorage, open_storage
from feature_store.privacy.person_filter import Person
from jobs.landing import manifest_files, manifests
from jobs.landing.erasure import erase_from_landing
from jobs.landing.manifest_files import manifest_lease, manifest_path
from jobs.landing.manifests import arrived_files, close_days, read_manifest
from jobs.landing.withdrawal import withdraw

MARCH_1, MARCH_2 = date(2026, 3, 1), date(2026, 3, 2)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAY = "landing/listens/2026-03-01"


@dataclass(frozen=True)
class MeetingStorage(FolderStorage):
    """Whoever has read a manifest waits a moment for the other one to have read it too."""

    both_have_read: Barrier = field(default_factory=lambda: Barrier(2, timeout=1.0))

    def read(self, path):
        content = super().read(path)
        if path == manifest_path(MARCH_1) and not self.both_have_read.broken:
            with suppress(BrokenBarrierError):  # the other one is kept out, as it should be
                self.both_have_read.wait()
        return content


@pytest.fixture
def storage(settings):
    return open_storage(settings.lake)


def land(storage, name, *user_ids):
    sink = io.BytesIO()
    pq.write_table(pa.table({"user_id": list(user_ids)}), sink)
    storage.write(f"{DAY}/{name}.parquet", sink.getvalue())


def withdraw_file(storage, name):
    return withdraw(storage, f"{DAY}/{name}.parquet", reason="wrong", actor="ben", now=NOON)


def erase(storage, user_id):
    return erase_from_landing(storage, Person(user_id, f"erased-{user_id}0"))


@pytest.mark.parametrize(
    "other",
    [
        partial(withdraw_file, name="second"),
        partial(erase, user_id="ada"),  # a size changes
        partial(erase, user_id="cy"),  # a name changes
    ],
    ids=["another withdrawal", "an erasure of rows", "an erasure of a name"],
)
def test_a_withdrawal_and_another_change_of_the_manifest_both_count(storage, other):
    land(storage, "first", "ben")
    land(storage, "second", *["ada", "ben"] * 100)
    land(storage, "of_cy", "ben")
    close_days(storage, MARCH_1)
    before = read_manifest(storage, MARCH_1)
    meeting = MeetingStorage(storage.root)

    with ThreadPoolExecutor(2) as both:
        for done in [both.submit(withdraw_file, meeting, "first"), both.submit(other, meeting)]:
            done.result()

    manifest = read_manifest(storage, MARCH_1)
    assert f"{DAY}/first.parquet" in manifest.withdrawn
    assert manifest.files != before.files or f"{DAY}/second.parquet" in manifest.withdrawn
    arrived = arrived_files(storage, "listens", [MARCH_1])  # each has its manifest's name and size
    assert len(arrived) == 3 - len(manifest.withdrawn)


def test_a_file_renamed_while_a_day_is_closed_is_listed_under_the_name_that_it_has(
    storage, monkeypatch
):
    """An erasure that begins between the listing and the manifest waits for the manifest."""
    land(storage, "of_cy", "ben")
    list_files = manifests.landing_files

    with ThreadPoolExecutor(1) as other:
        erasures = []

        def list_and_let_the_erasure_begin(listed):
            found = list_files(listed)
            erasures.append(other.submit(erase, storage, "cy"))
            with suppress(TimeoutError):  # it waits for the lease
                erasures[0].result(timeout=1.0)
            return found

        monkeypatch.setattr(manifests, "landing_files", list_and_let_the_erasure_begin)
        close_days(storage, MARCH_1)
        erasures[0].result()

    assert [file.path for _, file in arrived_files(storage, "listens", [MARCH_1])] == [
        f"{DAY}/of_erased-cy0.parquet"
    ]


def test_who_waits_too_long_is_told_who_holds_the_manifests(storage, monkeypatch):
    land(storage, "first", "ben")
    close_days(storage, MARCH_1)
    monkeypatch.setattr(manifest_files, "writer_lease", partial(writer_lease, wait_s=0.1))

    with manifest_lease(storage), pytest.raises(LeaseTaken, match="landing_manifests: another"):
        withdraw_file(storage, "first")
