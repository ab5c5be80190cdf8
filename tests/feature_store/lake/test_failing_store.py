"""An object store that fails some requests: nothing is lost, and nothing is done twice."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date, timedelta

import pytest

from feature_store.lake import lease, object_storage
from feature_store.lake.arrow_io import append, read_table, write_slice
from feature_store.lake.lease import writer_lease
from feature_store.lake.object_storage import ObjectStorage
from feature_store.lake.stored_file import StorageError
from feature_store.tables.recommendations import REC_CHANGES
from feature_store.tables.runs import RUN_WAIVERS
from tests.feature_store.lake.sample_rows import changes, waiver
from tests.support.failing_proxy import BUSY, CUT, FAULTS, UNANSWERED, UNSEEN, failing_proxy

MARCH_1 = date(2026, 3, 1)


@pytest.fixture
def failing(object_store, bucket, monkeypatch):
    """Opens a store whose every Nth request fails; yields its storage and the proxy."""

    @contextmanager
    def start(each, *faults):
        store = object_store["AWS_ENDPOINT_URL"]
        with failing_proxy(store, each, faults or FAULTS) as proxy:
            monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.address)
            yield ObjectStorage(bucket, "lake"), proxy
        monkeypatch.setenv("AWS_ENDPOINT_URL", store)

    return start


@pytest.mark.parametrize("fault", [*FAULTS, CUT])
def test_each_call_succeeds_though_every_second_request_fails(failing, fault):
    with failing(2, fault) as (storage, proxy):
        for number in range(4):
            storage.write(f"a/{number}", b"%d" % number * 1000)

        assert [file.path for file in storage.list("a")] == ["a/0", "a/1", "a/2", "a/3"]
        assert [storage.read(f"a/{number}")[:1] for number in range(4)] == [b"0", b"1", b"2", b"3"]
        assert b"".join(storage.read_blocks("a/3")) == b"3" * 1000
        assert storage.exists("a/0")
        storage.delete("a/0")
        assert not storage.exists("a/0")
        assert proxy.failures[fault] >= 4


@pytest.mark.parametrize("fault", [*FAULTS, CUT])
def test_a_creation_whose_answer_was_lost_is_a_creation(failing, fault):
    """The store refuses the second try of what it has taken; that is no other writer's file."""
    with failing(2, fault) as (storage, _):
        created = [storage.put_if_absent(f"lock/{number}", b"same") for number in range(4)]
        again = [storage.put_if_absent(f"lock/{number}", b"same") for number in range(4)]

    assert created == [True] * 4
    assert again == [False] * 4


def test_a_replacement_whose_answer_was_lost_gives_the_etag_of_now(failing):
    with failing(2, UNANSWERED) as (storage, _):
        etag = storage.put_if_match("lease", b"0", None)
        for number in range(1, 5):
            etag = storage.put_if_match("lease", b"%d" % number, etag)
        found = storage.read_with_etag("lease")

    assert found == (b"4", etag)


def test_a_lease_outlives_heartbeats_whose_answers_were_lost(failing, monkeypatch):
    monkeypatch.setattr(lease, "HEARTBEAT_S", 0.05)
    with failing(2, UNANSWERED) as (storage, proxy):
        with writer_lease(storage.uri(""), "t") as check_lease:
            for _ in range(5):
                check_lease()
        assert proxy.failures[UNANSWERED] >= 3


def test_a_heartbeat_that_is_never_answered_is_put_again_before_the_lease_expires(monkeypatch):
    assert lease.HEARTBEAT_S + 2 * object_storage._ANSWER_S < lease.EXPIRES_S
    monkeypatch.setattr(object_storage, "_ANSWER_S", 0.2)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "any")
    with socket.create_server(("127.0.0.1", 0)) as store, ThreadPoolExecutor(1) as other:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{store.getsockname()[1]}")
        put = other.submit(ObjectStorage("bucket", "").put_if_match, "lease", b"1", '"first"')
        with store.accept()[0], store.accept()[0] as second:
            second.recv(1 << 16)
            second.sendall(b'HTTP/1.1 200 OK\r\nETag: "second"\r\nContent-Length: 0\r\n\r\n')
            assert put.result(timeout=30) == '"second"'


def test_a_store_that_stays_busy_is_an_error_with_its_address(failing, monkeypatch):
    """Which is no broken file: the error is one of storage, and says what to check."""
    monkeypatch.setattr(object_storage, "_ATTEMPTS", 2)
    with (
        failing(1, BUSY) as (storage, _),
        pytest.raises(
            StorageError, match=r"s3://.*/lake/x: cannot be read: .*503.*AWS_ENDPOINT_URL"
        ),
    ):
        storage.read("x")


def test_a_file_that_always_breaks_off_is_an_error_with_its_address(failing, monkeypatch):
    monkeypatch.setattr(object_storage, "_ATTEMPTS", 2)
    with failing(10**9) as (storage, proxy):
        storage.write("x", b"0" * 1000)
        proxy.fail(1, CUT)
        with pytest.raises(StorageError, match=r"s3://.*/lake/x: cannot be read"):
            storage.read("x")


@pytest.mark.parametrize("faults", [(BUSY,), (UNSEEN,), (UNANSWERED,), FAULTS])
def test_slices_and_appended_rows_are_there_once(failing, faults):
    """delta-rs writes them, and Arrow reads them."""
    days = [MARCH_1 + timedelta(days=number) for number in range(3)]
    with failing(10**9) as (storage, proxy):
        lake = storage.uri("")
        append(lake, RUN_WAIVERS, waiver("first"))
        proxy.fail(7, *faults)
        for day in days:
            write_slice(lake, REC_CHANGES, changes(day, f"{day}"), as_of=day, commit_note="r")
            append(lake, RUN_WAIVERS, waiver(f"{day}"))
        found = read_table(lake, REC_CHANGES)["track_id"].to_pylist()
        waivers = read_table(lake, RUN_WAIVERS)["run_id"].to_pylist()
        assert sum(proxy.failures.values()) > 10

    assert sorted(found) == [f"{day}" for day in days]
    assert sorted(waivers) == sorted(["first", *(f"{day}" for day in days)])
