"""Several requests in one pass: each keeps its counts, files without the people stay, nights go on."""

from __future__ import annotations

import threading
import time
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feature_store.lake import arrow_io
from feature_store.lake.delta_tables import open_table
from feature_store.lake.lease import writer_lease
from feature_store.lake.storage import open_storage
from feature_store.lake.stored_file import StorageError
from feature_store.privacy import requests, suppression, table_eraser
from feature_store.privacy.batch import load_batch
from feature_store.privacy.suppression import LEASE, ErasedDuringRun, erasure_guard
from feature_store.publishing import publish
from feature_store.publishing.snapshot import Pin, current_event, events, open_snapshot
from feature_store.settings import Night, load_settings
from feature_store.tables import PUBLISHED_TABLES, table_called
from feature_store.tables.core import CORE_USERS
from feature_store.tables.recommendations import REC_TOPK
from feature_store.tables.runs import RUN_ERASURES
from jobs.landing.layout import row_file_path
from jobs.landing.writer import LandingWriter
from jobs.privacy import erasure, landing_pass
from tests.support.id_search import files_containing_id

MARCH_1, MARCH_2 = date(2026, 3, 1), date(2026, 3, 2)
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
FOLLOWS = table_called("core_follows")


@pytest.fixture
def settings(tmp_path):
    return load_settings(
        lake=str(tmp_path / "lake"), state=tmp_path / "state", privacy={"reader_grace_s": 0}
    )


def rows_of(table, *rows):
    full = [dict.fromkeys(table.column_names) | row for row in rows]
    return pa.Table.from_pylist(full, schema=table.arrow_schema)


def add_users(settings, *user_ids):
    plain = {"is_opted_out": False, "is_named_to_others": False, "known_from_date": MARCH_1}
    arrow_io.append(settings.lake, CORE_USERS, rows_of(CORE_USERS, *[plain | {"user_id": one} for one in user_ids]))  # fmt: skip


def users(settings):
    return sorted(arrow_io.read_table(settings.lake, CORE_USERS)["user_id"].to_pylist())


def ask(settings, *user_ids, actor="officer"):
    return [requests.record_request(settings, one, actor=actor, now=NOON).request_id for one in user_ids]  # fmt: skip


def removed(settings):
    """What run_erasures says of each request."""
    rows = arrow_io.read_table(settings.lake, RUN_ERASURES).to_pylist()
    return {
        row["request_id"]: {each["name"]: each["row_count"] for each in row["removed"]}
        for row in rows
    }


def files(settings):
    return set(open_table(settings.lake, CORE_USERS).file_uris())


@pytest.fixture
def lake(settings):
    """Three files of people; ada follows ben, cy follows ada and himself; landing files of them."""
    for some in (("ada-l", "dora"), ("ben-l", "cy-l"), ("dora", "eve")):
        add_users(settings, *some)
    pairs = (("ada-l", "ben-l"), ("cy-l", "ada-l"), ("cy-l", "cy-l"), ("dora", "eve"))
    plain = {"known_from_date": MARCH_1, "is_active": True}
    made = [plain | {"user_id": one, "followed_user_id": other} for one, other in pairs]
    arrow_io.append(settings.lake, FOLLOWS, rows_of(FOLLOWS, *made))
    writer = LandingWriter(open_storage(settings.lake))
    writer.write_rows("users", MARCH_1, pa.table({"user_id": ["ada-l", "ben-l", "ada-l"]}), "a")
    writer.write_rows("users", MARCH_1, pa.table({"user_id": ["dora"]}), "b")
    writer.write_rows("users", MARCH_2, pa.table({"user_id": ["dora"]}), "for_cy-l")
    return settings


def erase(settings, request_ids, **options):
    erasure.erase_rows(settings, *request_ids, clock=lambda: NOON, **options)
    erasure.finish(settings, *request_ids, clock=lambda: NOON)


def test_each_request_of_a_batch_keeps_its_own_counts_and_its_own_row(lake):
    """A row about two people counts for both; a row that names one person twice counts once."""
    ada, ben, cy = ask(lake, "ada-l", "ben-l", "cy-l")

    erase(lake, [ada, ben, cy])

    assert removed(lake) == {
        ada: {"core_users": 1, "core_follows": 2, "landing": 2},
        ben: {"core_users": 1, "core_follows": 1, "landing": 1},
        cy: {"core_users": 1, "core_follows": 2, "landing file names": 1},
    }
    assert users(lake) == ["dora", "dora", "eve"]
    follows = arrow_io.read_table(lake.lake, FOLLOWS).select(["user_id", "followed_user_id"])
    assert follows.to_pylist() == [{"user_id": "dora", "followed_user_id": "eve"}]
    for user_id in ("ada-l", "ben-l", "cy-l"):
        assert files_containing_id(lake.lake, user_id) == []
        assert suppression.load_suppression_list(lake).matches(user_id)
    assert requests.pending_requests(lake) == []


def test_a_batch_leaves_what_its_requests_one_by_one_leave(lake):
    """The same rows in the end, whatever the order."""
    for request_id in ask(lake, "ben-l", "cy-l", "ada-l"):
        erase(lake, [request_id])

    assert users(lake) == ["dora", "dora", "eve"]
    assert sorted(file.path for file in open_storage(lake.lake).list("landing/users/2026-03-01")) == [
        row_file_path("users", MARCH_1, "a"), row_file_path("users", MARCH_1, "b"),
    ]  # fmt: skip


def test_files_without_the_people_stay_as_they_are(lake):
    """Of three files of one table two name people, in one commit; the same in landing."""
    before, version = files(lake), open_table(lake.lake, CORE_USERS).version()
    [kept] = [file.written_at_utc for file in open_storage(lake.lake).list("landing/users/2026-03-01") if file.path.endswith("b.parquet")]  # fmt: skip

    erasure.erase_rows(lake, *ask(lake, "ada-l", "ben-l", "cy-l"))

    assert len(before & files(lake)) == 1
    assert len(files(lake)) == 2
    assert open_table(lake.lake, CORE_USERS).version() == version + 1
    assert kept in {file.written_at_utc for file in open_storage(lake.lake).list("landing/users")}


def test_a_table_is_searched_once_for_the_whole_batch(lake, monkeypatch):
    searched = []
    search = table_eraser.search_rows
    monkeypatch.setattr(table_eraser, "search_rows", lambda table, *rest: (searched.append(table.name), search(table, *rest))[1])  # fmt: skip

    erasure.erase_rows(lake, *ask(lake, "ada-l", "ben-l", "cy-l"))

    assert searched.count("core_users") == 3  # files
    assert searched.count("core_follows") == 1


@pytest.mark.parametrize("killed_at", ["core_users", "core_follows"])
def test_a_killed_batch_is_ended_with_another_request_in_it(lake, monkeypatch, killed_at):
    first = ask(lake, "ada-l", "ben-l")
    commit = table_eraser.TableEraser._commit

    def killed(self, *args):
        if self.table.name == killed_at:
            raise KeyboardInterrupt
        return commit(self, *args)

    with monkeypatch.context() as patched:
        patched.setattr(table_eraser.TableEraser, "_commit", killed)
        with pytest.raises(KeyboardInterrupt):
            erasure.erase_rows(lake, *first)

    erase(lake, [*first, *ask(lake, "cy-l")])

    assert users(lake) == ["dora", "dora", "eve"]
    assert len(removed(lake)) == 3
    for user_id in ("ada-l", "ben-l", "cy-l"):
        assert files_containing_id(lake.lake, user_id) == []


def test_a_person_who_comes_again_leaves_the_others_requests_finished(lake):
    """Ben's row was written by no job after the rewrite: his request alone stays."""
    ada, ben = ask(lake, "ada-l", "ben-l")
    erasure.erase_rows(lake, ada, ben)
    add_users(lake, "ben-l")

    with pytest.raises(erasure.ErasureIncomplete, match=f"core_users: 1 rows .* requests {ben} again"):  # fmt: skip
        erasure.finish(lake, ada, ben)

    assert (erasure.status(lake, ada), erasure.status(lake, ben)) == ("finished", "pending")
    erase(lake, [ben])
    assert erasure.status(lake, ben) == "finished"


def test_a_request_that_another_process_finished_leaves_its_batch(lake):
    ada, ben = ask(lake, "ada-l", "ben-l")
    erase(lake, [ada])

    erase(lake, [ada, ben])

    assert set(removed(lake)) == {ada, ben}


def test_two_requests_for_one_person_both_end(lake):
    first, second = ask(lake, "ada-l", "ada-l")

    erase(lake, [first, second])

    assert removed(lake)[first] == removed(lake)[second] != {}


# Nights go on


def test_no_night_waits_while_an_erasure_searches(lake, monkeypatch):
    """A task that begins in the search begins at once, and may write what it read before."""
    seen = []
    prepare = table_eraser.TableEraser.prepare

    def prepared(self, pinned=None):
        if not seen:
            with writer_lease(lake.lake, LEASE, wait_s=0), writer_lease(lake.lake, "core_users", wait_s=0):  # fmt: skip
                seen.append(suppression.suppression_digests(lake.lake))
        prepare(self, pinned)

    monkeypatch.setattr(table_eraser.TableEraser, "prepare", prepared)

    erasure.erase_rows(lake, *ask(lake, "ada-l"))

    assert seen == [frozenset()]


def test_while_a_writer_holds_a_table_only_its_erasure_waits(lake):
    """The job passed its check before the erasure, holds core_users, and commits ada once more.

    Until then a night's tasks begin without waiting. One that began before the table was rewritten
    may have read ada, so it does not write.
    """
    [request_id] = ask(lake, "ada-l")
    has_waited = threading.Event()
    with writer_lease(lake.lake, "core_users"):
        eraser = threading.Thread(target=erasure.erase_rows, args=(lake, request_id))
        eraser.start()
        deadline = time.monotonic() + 60
        while not suppression.suppression_digests(lake.lake) and time.monotonic() < deadline:
            time.sleep(0.05)
        with writer_lease(lake.lake, LEASE, wait_s=60):
            has_waited.set()
        check_no_erasure = erasure_guard(lake.lake)
        check_no_erasure()
        add_users(lake, "ada-l")
        assert eraser.is_alive()
    eraser.join(60)

    assert has_waited.is_set()
    assert not eraser.is_alive()
    assert "ada-l" not in users(lake)
    with pytest.raises(ErasedDuringRun):
        check_no_erasure()
    erasure.finish(lake, request_id)
    assert files_containing_id(lake.lake, "ada-l") == []


def test_rows_that_a_task_commits_between_search_and_rewrite_are_erased(lake, monkeypatch):
    """In a table of people, in one of follows, and in a landing file."""
    erase_most = landing_pass.LandingEraser.erase_most

    def overtaken(self):
        add_users(lake, "ada-l", "finn")
        arrow_io.append(lake.lake, FOLLOWS, rows_of(FOLLOWS, *arrow_io.read_table(lake.lake, FOLLOWS).to_pylist()))  # fmt: skip
        LandingWriter(open_storage(lake.lake)).write_rows("users", MARCH_2, pa.table({"user_id": ["ada-l"]}), "late")  # fmt: skip
        erase_most(self)

    monkeypatch.setattr(landing_pass.LandingEraser, "erase_most", overtaken)

    erase(lake, ask(lake, "ada-l"))

    assert users(lake) == ["ben-l", "cy-l", "dora", "dora", "eve", "finn"]
    assert files_containing_id(lake.lake, "ada-l") == []


def test_a_writer_that_fails_may_delete_what_was_staged(lake, monkeypatch):
    """It deletes the files that came since it began; the erasure then stages its file again."""
    erase_most = landing_pass.LandingEraser.erase_most

    def cleaned(self):
        listed = {Path(uri).name for uri in files(lake)}
        for file in Path(lake.lake, "tables", "core_users").glob("*.parquet"):
            if file.name not in listed:
                file.unlink()
        erase_most(self)

    monkeypatch.setattr(landing_pass.LandingEraser, "erase_most", cleaned)

    erase(lake, ask(lake, "ada-l", "ben-l"))

    assert users(lake) == ["cy-l", "dora", "dora", "eve"]


def test_no_staged_file_is_left_that_was_not_needed(lake, monkeypatch):
    """A night replaced the table's files between search and rewrite."""
    erase_most = landing_pass.LandingEraser.erase_most

    def replaced(self):
        arrow_io.replace_rows(lake.lake, CORE_USERS, arrow_io.read_table(lake.lake, CORE_USERS))
        erase_most(self)

    monkeypatch.setattr(landing_pass.LandingEraser, "erase_most", replaced)
    before = len(list(Path(lake.lake, "tables", "core_users").glob("*.parquet")))

    erasure.erase_rows(lake, *ask(lake, "ada-l"))

    after = len(list(Path(lake.lake, "tables", "core_users").glob("*.parquet")))
    assert after == before + 2  # the night's file, and the one in its place
    assert "ada-l" not in users(lake)


def test_landing_files_that_are_removed_meanwhile_end_no_erasure(lake, monkeypatch):
    """One before it is searched, one before it is rewritten; a file that stays is an error."""
    storage = open_storage(lake.lake)
    writer = LandingWriter(storage)
    for part in ("gone-1", "gone-2", "kept"):
        writer.write_rows("users", MARCH_2, pa.table({"user_id": ["ada-l", part]}), part)
    batch = load_batch(lake, tuple(ask(lake, "ada-l")))
    eraser = landing_pass.LandingEraser(batch, batch.people)
    monkeypatch.setattr(landing_pass, "FILES_A_HOLD", 1)
    search = landing_pass.names_person

    def overtaken(storage, file, people):
        if file.path == row_file_path("users", MARCH_2, "gone-1"):
            storage.delete(file.path)
        return search(storage, file, people)

    with monkeypatch.context() as patched:
        patched.setattr(landing_pass, "names_person", overtaken)
        eraser.prepare()
    storage.delete(row_file_path("users", MARCH_2, "gone-2"))
    eraser.erase_most()
    eraser.erase_rest()

    assert files_containing_id(f"{lake.lake}/landing", "ada-l") == []
    kept = pq.read_table(Path(lake.lake, row_file_path("users", MARCH_2, "kept")))
    assert kept["user_id"].to_pylist() == ["kept"]

    def fails(*_):
        raise StorageError("503")

    with monkeypatch.context() as patched:
        patched.setattr(landing_pass, "names_person", fails)
        with pytest.raises(StorageError):
            landing_pass.LandingEraser(batch, batch.people).prepare()


def test_one_erase_event_shows_readers_the_whole_batch(lake):
    """The published slice of the day is rewritten once; its other person stays."""
    night = Night(MARCH_1, "run-1", lake)
    pins = [_stage(night, table) for table in PUBLISHED_TABLES]
    publish.publish(night, pins=pins, gates=[], inputs=[], model_versions=[], current=None, mode="auto", actor="t", now=NOON)  # fmt: skip
    ids = [*ask(lake, "cy-l"), *ask(lake, "eve", actor="deputy")]

    # Nobody of them is in a published row, so no Spark is needed for the slice's hash.
    assert erasure.erase_rows(lake, *ids) == 2
    assert erasure.erase_rows(lake, *ids) == 2

    event = current_event(events(lake.lake))
    assert (event.action, event.event_number, event.actor) == ("erase", 2, "deputy, officer")
    assert event.reason == f"erasure {' '.join(ids)}"
    assert open_snapshot(lake.lake).read("rec_topk")["user_id"].to_pylist() == ["ada-l", "ben-l"]
    assert [pin.row_count for pin in event.tables] == [pin.row_count for pin in pins]


def test_a_run_that_is_published_during_the_last_search_keeps_its_versions(lake, monkeypatch):
    """Its versions are not the newest ones any more: a later run has staged the day again."""
    search = erasure._named_again
    [request_id] = ask(lake, "cy-l")
    erasure.erase_rows(lake, request_id)
    searched = []

    def overtaken(batch, current):
        found = search(batch, current)
        if not searched:
            night = Night(MARCH_1, "run-1", lake)
            pins = [_stage(night, table) for table in PUBLISHED_TABLES]
            publish.publish(night, pins=pins, gates=[], inputs=[], model_versions=[], current=None, mode="auto", actor="t", now=NOON)  # fmt: skip
            _stage(Night(MARCH_1, "run-2", lake), REC_TOPK)
        searched.append(current)
        return found

    monkeypatch.setattr(erasure, "_named_again", overtaken)

    erasure.finish(lake, request_id, clock=lambda: NOON)

    assert [event and event.run_id for event in searched] == [None, "run-1"]
    assert set(open_snapshot(lake.lake).read("rec_topk")["run_id"].to_pylist()) == {"run-1"}


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("landing/export.csv", b"user_id\nzoe\n"),
        ("landing/users/2026-03-01/of_zoe.parquet", b"x"),
    ],
)
def test_a_person_in_a_misplaced_text_or_in_the_name_of_a_file_is_known(lake, path, content):
    open_storage(lake.lake).write(path, content)

    request_id = erasure.request_erasure(lake, "zoe", actor="officer", now=NOON)

    erase(lake, [request_id])
    assert files_containing_id(lake.lake, "zoe") == []


def _stage(night, table):
    plain = {"as_of_date": night.as_of, "rank": 1, "run_id": night.run_id, "track_id": "t", "title": "T",
             "artist_id": "a", "artist_name": "A", "artist_match_key": "a", "title_match_key": "t",
             "score": 1.0, "tier": "warm", "reason_kind": "taste", "reason_text": "x"}  # fmt: skip
    rows = [plain | {"user_id": user} for user in ("ada-l", "ben-l")] if table is REC_TOPK else []
    written = arrow_io.write_slice(night.settings.lake, table, rows_of(table, *rows), as_of=night.as_of)  # fmt: skip
    return Pin(table.name, written.table_version, written.row_count, written.content_sha256)
