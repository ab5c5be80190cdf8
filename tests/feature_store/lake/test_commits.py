"""A writer finds its own commit, whoever commits beside it, and says when it has lost it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from functools import partial

import pytest

from feature_store.lake import arrow_io, commits, spark_io
from feature_store.lake.arrow_io import append, read_table, write_slice
from feature_store.lake.commits import CommitLost, find_recent_commit, run_of_note
from feature_store.lake.delta_tables import open_table
from feature_store.lake.lease import LeaseLost
from feature_store.lake.storage import open_storage
from feature_store.runs import lineage
from feature_store.tables.recommendations import REC_CHANGES
from feature_store.tables.runs import RUN_WAIVERS
from tests.feature_store.lake.sample_rows import changes, waiver
from tests.feature_store.publishing.staging import NOON, publish_run

MARCH_1, MARCH_2 = date(2026, 3, 1), date(2026, 3, 2)


@pytest.fixture
def write_with_spark(spark, lake):
    """Writes a slice by Spark as run `mine`; `after_commit` is called between commit and check."""

    def write(after_commit):
        calls = []

        def check_lease():
            calls.append(1)
            if len(calls) > 1:
                after_commit()

        write_slice(lake, REC_CHANGES, changes(MARCH_1), as_of=MARCH_1, commit_note="earlier")
        rows = spark_io.read(spark, lake, REC_CHANGES, as_of=MARCH_1)
        return spark_io.write(
            rows,
            lake,
            REC_CHANGES,
            first=MARCH_1,
            end=MARCH_1 + timedelta(days=1),
            commit_note="mine",
            check_lease=check_lease,
        )

    return write


def note_of(lake, table, version):
    """What the commit of a version says of itself."""
    return commits._commits_after(lake, table, version - 1)[0].note


def test_spark_names_its_own_version_though_another_commit_is_newer(lake, write_with_spark):
    def rival():
        write_slice(lake, REC_CHANGES, changes(MARCH_2), as_of=MARCH_2, commit_note="rival")

    written = write_with_spark(rival)

    newest = open_table(lake, REC_CHANGES).version()
    assert written.table_version == newest - 1
    assert run_of_note(note_of(lake, REC_CHANGES, written.table_version)) == "mine"
    assert run_of_note(note_of(lake, REC_CHANGES, newest)) == "rival"
    assert written.added_bytes > 0


def test_writers_that_append_at_once_each_name_their_own_version(lake):
    with ThreadPoolExecutor(6) as pool:
        runs = [f"run-{number}" for number in range(6)]
        written = list(
            pool.map(lambda run: append(lake, RUN_WAIVERS, waiver(run), commit_note=run), runs)
        )

    found = [run_of_note(note_of(lake, RUN_WAIVERS, each.table_version)) for each in written]
    assert found == runs


def test_two_writes_of_one_run_have_two_marks(lake):
    first, second = (append(lake, RUN_WAIVERS, waiver("r"), commit_note="r") for _ in range(2))

    notes = [note_of(lake, RUN_WAIVERS, each.table_version) for each in (first, second)]
    assert notes[0] != notes[1]
    assert [run_of_note(note) for note in notes] == ["r", "r"]


def test_a_writer_whose_lease_was_lost_says_what_readers_see(lake, write_with_spark):
    """Its successor has committed since: the newest version is the successor's."""

    def overtaken():
        write_slice(lake, REC_CHANGES, changes(MARCH_1, "t2"), as_of=MARCH_1, commit_note="rival")
        raise LeaseLost("rec_changes: silent")

    with pytest.raises(
        LeaseLost,
        match=r"^rec_changes: silent; this writer's commit \(mine\) is version \d+; readers of the "
        r"newest version see version \d+ of rival, readers of published tables what published_runs",
    ):
        write_with_spark(overtaken)


def test_a_commit_that_another_writer_has_replaced_is_an_error(lake, write_with_spark):
    """As on S3, where of two commits of one version the later one stays."""

    def replace_commit():
        storage, newest = open_storage(lake), open_table(lake, REC_CHANGES).version()
        path = f"tables/{REC_CHANGES.name}/_delta_log/{newest:020}.json"
        theirs = storage.read(path).replace(b"mine write=", b"rival write=")
        storage.write(path, theirs)

    with pytest.raises(
        CommitLost,
        match=r"^rec_changes: this writer's commit \(mine\) is not in the log after version \d+; "
        r"readers of the newest version see version \d+ of rival",
    ):
        write_with_spark(replace_commit)


def test_on_objects_a_lease_that_is_lost_during_the_commit_is_noticed(bucket, monkeypatch):
    """The successor takes the lease after the last check: the commit is there, and so is the error."""
    lake = f"s3://{bucket}/lake"
    write_slice(lake, REC_CHANGES, changes(MARCH_1), as_of=MARCH_1, commit_note="earlier")
    write_stream = arrow_io.write_stream

    def write_and_lose(*arguments):
        write_stream(*arguments)
        open_storage(lake).write("leases/rec_changes.lock", b'{"is_free": false, "state": "other"}')

    monkeypatch.setattr(arrow_io, "write_stream", write_and_lose)
    write = partial(write_slice, lake, REC_CHANGES, changes(MARCH_1, "t2"), as_of=MARCH_1)

    with pytest.raises(LeaseLost, match=r"this writer's commit \(mine\) is version \d+"):
        write(commit_note="mine")

    assert read_table(lake, REC_CHANGES)["track_id"].to_pylist() == ["t2"]


def test_on_objects_a_stopped_writer_that_goes_on_does_not_write(bucket):
    """No heartbeat has told it yet that the lease is another's: it asks before the commit."""
    lake = f"s3://{bucket}/lake"
    write_slice(lake, REC_CHANGES, changes(MARCH_1), as_of=MARCH_1)

    def stopped_meanwhile():
        open_storage(lake).write("leases/rec_changes.lock", b'{"is_free": false, "state": "other"}')

    rows = changes(MARCH_1, "t2")
    with pytest.raises(LeaseLost, match="rec_changes"):
        write_slice(lake, REC_CHANGES, rows, as_of=MARCH_1, before_commit=stopped_meanwhile)

    assert read_table(lake, REC_CHANGES)["track_id"].to_pylist() == ["t1"]


def test_lineage_names_the_version_of_the_event_and_not_a_later_one(settings, lake, run_of):
    """Another event is committed between the publication and its lineage."""
    night, _ = run = run_of(MARCH_1, "r1")
    first = publish_run(run)
    publish_run(run_of(MARCH_2, "r2"))

    lineage.emit_published(night, first, NOON)

    newest = open_table(lake, lineage.PUBLISHED_RUNS).version()
    text = (settings.state / lineage.FILE).read_text().splitlines()[-1]
    assert f'"datasetVersion": "{newest - 1}"' in text
    assert f'"datasetVersion": "{newest}"' not in text
    own = find_recent_commit(lake, lineage.PUBLISHED_RUNS, first.commit_note, newest=newest)
    assert own.version == newest - 1
