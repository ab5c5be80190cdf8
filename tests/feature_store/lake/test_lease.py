"""The writer's lease: one at a time, and nobody waits for the dead."""

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
from feature_store.lake.storage import ObjectStorage, StorageError, open_storage

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


def test_a_second_writer_is_told_who_waits_for_what(tmp_path):
    with another_process_holds(tmp_path), pytest.raises(LeaseTaken, match="core_listens: another"):  # noqa: SIM117
        with writer_lease(str(tmp_path), "core_listens", wait_s=0.3):
            pytest.fail("two writers held one lease")


def test_another_table_is_free(tmp_path):
    with another_process_holds(tmp_path), writer_lease(str(tmp_path), "core_tracks", wait_s=0.3):
        pass


def test_a_killed_writer_holds_nothing(tmp_path):
    with another_process_holds(tmp_path) as other:
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
        with writer_lease(str(tmp_path), "core_listens", wait_s=5):
            pass


@pytest.fixture
def on_objects(bucket, monkeypatch):
    """A lake on object storage, where holders beat and expire within moments."""
    monkeypatch.setattr(lease, "HEARTBEAT_S", 0.1)
    monkeypatch.setattr(lease, "EXPIRES_S", 2.0)
    return f"s3://{bucket}/lake"


def test_on_objects_a_living_holder_keeps_the_lease_past_its_expiry(on_objects):
    with writer_lease(on_objects, "t"), pytest.raises(LeaseTaken):  # noqa: SIM117
        with writer_lease(on_objects, "t", wait_s=3 * lease.EXPIRES_S):
            pytest.fail("two writers held one lease")


def test_on_objects_a_released_lease_is_free_at_once(on_objects):
    for _ in range(2):
        with writer_lease(on_objects, "t", wait_s=0.5):
            pass


def test_on_objects_a_silent_holder_is_replaced_and_told(on_objects, monkeypatch):
    """The first writer's heart stops; a second one takes over, and the first learns of it."""
    monkeypatch.setattr(lease, "HEARTBEAT_S", 1000)

    def write_silently():
        with writer_lease(on_objects, "t"), writer_lease(on_objects, "t", wait_s=30):
            pass

    with pytest.raises(LeaseLost, match=r"t: this writer was silent .* clear this task"):
        write_silently()


def test_on_objects_a_writer_that_failed_leaves_the_lease_free(on_objects):
    def fail():
        with writer_lease(on_objects, "t"):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with writer_lease(on_objects, "t", wait_s=0.5):
        pass


def test_on_objects_of_many_who_wait_for_a_dead_one_only_one_at_a_time_gets_in(on_objects):
    """All see the same dead state; each takes it over by replacing that very state."""
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


def test_on_objects_a_holder_whose_store_is_silent_for_too_long_is_told_before_it_commits(
    on_objects, monkeypatch
):
    """One failed beat is no loss; when others may take it for dead, it must not go on."""
    monkeypatch.setattr(lease, "HEARTBEAT_S", 0.1)
    monkeypatch.setattr(lease, "EXPIRES_S", 1.0)

    def work_while_the_store_is_away():
        with writer_lease(on_objects, "t") as refuse_lost:
            refuse_lost()
            with pytest.MonkeyPatch.context() as away:
                away.setattr(ObjectStorage, "put_if_tag", _refuse)
                time.sleep(2.0)
                refuse_lost()

    with pytest.raises(LeaseLost, match="clear this task"):
        work_while_the_store_is_away()


def _refuse(*_):
    raise StorageError("s3://lake/leases/t.lock: cannot be written: timed out")


def test_on_objects_the_lock_file_of_a_lake_that_was_a_folder_holds_nobody_up(on_objects):
    open_storage(on_objects).write("leases/t.lock", b"")

    with writer_lease(on_objects, "t", wait_s=0.5):
        pass
