"""Leases: one writer at a time, and a dead writer's lease expires."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from feature_store.lake import lease
from feature_store.lake.lease import LeaseLost, LeaseTaken, writer_lease
from feature_store.lake.object_storage import ObjectStorage
from feature_store.lake.storage import open_storage
from feature_store.lake.stored_file import StorageError

HOLD = """
import sys, time
from feature_store.lake.lease import writer_lease
with writer_lease(sys.argv[1], "core_listens"):
    print("held", flush=True)
    time.sleep(60)
"""


@contextmanager
def another_process_holds(lake):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lake)], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        yield other
        if other.poll() is None:
            other.kill()


def test_a_second_writer_gets_an_error_that_names_the_table(tmp_path):
    with another_process_holds(tmp_path), pytest.raises(LeaseTaken, match="core_listens: another"):  # noqa: SIM117
        with writer_lease(str(tmp_path), "core_listens", wait_s=0.3):
            pytest.fail("two writers held one lease")


def test_another_table_is_free(tmp_path):
    with another_process_holds(tmp_path), writer_lease(str(tmp_path), "core_tracks", wait_s=0.3):
        pass


def test_a_killed_writer_releases_its_lease(tmp_path):
    with another_process_holds(tmp_path) as other:
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
        with writer_lease(str(tmp_path), "core_listens", wait_s=5):
            pass


@pytest.fixture
def on_objects(bucket, monkeypatch):
    """A lake on object storage with short heartbeats and expiry."""
    monkeypatch.setattr(lease, "HEARTBEAT_S", 0.1)
    monkeypatch.setattr(lease, "EXPIRES_S", 2.0)
    return f"s3://{bucket}/lake"


def test_on_objects_heartbeats_keep_a_lease_past_its_expiry(on_objects):
    with writer_lease(on_objects, "t"), pytest.raises(LeaseTaken):  # noqa: SIM117
        with writer_lease(on_objects, "t", wait_s=3 * lease.EXPIRES_S):
            pytest.fail("two writers held one lease")


def test_on_objects_a_released_lease_is_free_at_once(on_objects):
    for _ in range(2):
        with writer_lease(on_objects, "t", wait_s=0.5):
            pass


def test_on_objects_a_holder_without_heartbeat_loses_its_lease(on_objects, monkeypatch):
    """The first writer's heartbeat stops; a second writer takes over, and the first one fails."""
    monkeypatch.setattr(lease, "HEARTBEAT_S", 1000)

    def write_silently():
        with writer_lease(on_objects, "t"), writer_lease(on_objects, "t", wait_s=30):
            pass

    with pytest.raises(LeaseLost, match=r"t: this writer was silent .* clear this task"):
        write_silently()


def test_on_objects_a_writer_that_raises_releases_its_lease(on_objects):
    def fail():
        with writer_lease(on_objects, "t"):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with writer_lease(on_objects, "t", wait_s=0.5):
        pass


def test_on_objects_waiters_for_an_expired_lease_get_it_one_at_a_time(on_objects):
    """All waiters see the same expired state; each replaces it by a conditional put."""
    storage = open_storage(on_objects)
    storage.put_if_absent("leases/t.lock", b'{"is_free": false, "state": "dead"}')
    inside, most = [], []

    def write(number):
        with writer_lease(on_objects, "t", wait_s=60):
            inside.append(number)
            most.append(len(inside))
            time.sleep(0.05)
            inside.remove(number)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(6)))

    assert most == [1] * 6


def test_on_objects_a_holder_fails_before_its_commit_when_the_store_stays_unreachable(
    on_objects, monkeypatch
):
    """One failed heartbeat loses nothing; after the expiry the holder must not commit."""
    monkeypatch.setattr(lease, "HEARTBEAT_S", 0.1)
    monkeypatch.setattr(lease, "EXPIRES_S", 1.0)

    def work_while_the_store_is_away():
        with writer_lease(on_objects, "t") as check_lease:
            check_lease()
            with pytest.MonkeyPatch.context() as away:
                away.setattr(ObjectStorage, "put_if_match", _refuse)
                time.sleep(2.0)
                check_lease()

    with pytest.raises(LeaseLost, match="clear this task"):
        work_while_the_store_is_away()


def _refuse(*_):
    raise StorageError("s3://lake/leases/t.lock: cannot be written: timed out")


def test_on_objects_the_lock_file_of_a_former_folder_blocks_no_writer(on_objects):
    open_storage(on_objects).write("leases/t.lock", b"")

    with writer_lease(on_objects, "t", wait_s=0.5):
        pass
