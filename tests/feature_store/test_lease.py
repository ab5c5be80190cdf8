"""The writer's lease: one at a time, and nobody waits for the dead."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from feature_store import lease
from feature_store.lease import LeaseTaken, writer_lease
from feature_store.storage import FolderStorage

HOLD = """
import sys, time
from feature_store.lease import writer_lease
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
def as_objects(monkeypatch, tmp_path):
    """The object-store lease, over a folder: both give exclusive creation, and that is all it asks."""
    storage = FolderStorage(tmp_path)

    def hold(wait_s):
        return lease._object_lease(storage, "leases/t.lock", "t", wait_s)

    return storage, hold


def test_on_objects_a_living_holder_keeps_the_lease(as_objects):
    _, hold = as_objects
    with hold(1), pytest.raises(LeaseTaken), hold(0.3):
        pytest.fail("two writers held one lease")


def test_on_objects_a_holder_that_stopped_beating_has_lost_it(as_objects):
    storage, hold = as_objects
    silent_since = datetime.now(UTC) - timedelta(seconds=lease.EXPIRES_S + 1)
    dead = {"holder": "dead", "beat_at_utc": silent_since.isoformat()}
    storage.write("leases/t.lock", json.dumps(dead).encode())

    with hold(5):
        assert json.loads(storage.read("leases/t.lock"))["holder"] != "dead"


def test_on_objects_the_heart_beats_while_the_lease_is_held(as_objects, monkeypatch):
    monkeypatch.setattr(lease, "HEARTBEAT_S", 0.05)
    storage, hold = as_objects
    with hold(1):
        first = storage.read("leases/t.lock")
        deadline = time.monotonic() + 5
        while storage.read("leases/t.lock") == first and time.monotonic() < deadline:
            time.sleep(0.05)
        assert storage.read("leases/t.lock") != first

    assert not storage.exists("leases/t.lock")
