"""Erasure from Delta tables: rows, old files, log entries and statistics; other people stay."""

from __future__ import annotations

import base64
import json
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feature_store.lake.arrow_io import append, read_table, write_slice
from feature_store.lake.delta_tables import open_table
from feature_store.privacy import table_eraser, table_rewrite
from feature_store.privacy.person_filter import ERASED, Person
from feature_store.tables import table_called
from tests.support.id_search import files_containing_id

ADA = Person("ada-lovelace")
MARCH_1, MARCH_2 = date(2026, 3, 1), date(2026, 3, 2)


@pytest.fixture
def lake(settings):
    return settings.lake


def rows_of(name, *rows):
    table = table_called(name)
    full = [dict.fromkeys(table.column_names) | row for row in rows]
    return pa.Table.from_pylist(full, schema=table.arrow_schema)


def follow(user, followed, day=MARCH_1):
    return {
        "as_of_date": day,
        "user_id": user,
        "followed_user_id": followed,
        "followed_from_date": None,
    }


def write_follows(lake, day, *pairs):
    follows = table_called("graph_user_follows_user")
    write_slice(lake, follows, rows_of(follows.name, *(follow(*pair, day) for pair in pairs)), as_of=day)  # fmt: skip
    return follows


def test_rows_go_whichever_column_names_the_person_and_other_rows_stay(lake):
    follows = write_follows(lake, MARCH_1, ("ada-lovelace", "ben"), ("cy", "ada-lovelace"), ("cy", "ben"))  # fmt: skip

    result = table_rewrite.erase_from_table(lake, follows, ADA)

    assert (result.removed, result.changed) == (2, 0)
    assert read_table(lake, follows).to_pylist() == [follow("cy", "ben")]


def test_after_the_purge_no_file_log_entry_or_statistic_holds_the_id(lake):
    """Statistics in the log hold the least and greatest id; Ada's is the least of its file."""
    follows = write_follows(lake, MARCH_1, ("ada-lovelace", "ben"), ("cy", "ben"))
    write_follows(lake, MARCH_2, ("ada-lovelace", "ben"))
    assert len(files_containing_id(lake, ADA.user_id)) >= 4  # two data files, two log entries

    table_rewrite.erase_from_table(lake, follows, ADA)
    assert files_containing_id(lake, ADA.user_id)
    removed = table_rewrite.purge_history(lake, follows)

    assert removed >= 4
    assert files_containing_id(lake, ADA.user_id) == []
    assert read_table(lake, follows).to_pylist() == [follow("cy", "ben")]


def test_files_of_days_without_the_person_are_not_written_again(lake):
    """Statistics of the kept files cannot name her: no row of theirs is about her."""
    follows = write_follows(lake, MARCH_1, ("ben", "cy"))
    write_follows(lake, MARCH_2, ("ada-lovelace", "ben"), ("cy", "ben"))
    before = set(open_table(lake, follows).file_uris())

    table_rewrite.erase_from_table(lake, follows, ADA)
    table_rewrite.purge_history(lake, follows)

    kept = before & set(open_table(lake, follows).file_uris())
    assert ["2026-03-01" in file for file in kept] == [True]
    assert files_containing_id(lake, ADA.user_id) == []
    rows = read_table(lake, follows).sort_by("as_of_date").to_pylist()
    assert rows == [follow("ben", "cy", MARCH_1), follow("cy", "ben", MARCH_2)]


def test_days_that_share_a_file_are_written_again_with_the_rows_of_others(lake):
    """raw_ tables are not partitioned: a first night writes many days at once."""
    listens = table_called("raw_listen_counts")
    origin = {
        "track_id": "t",
        "listen_count": 1,
        "source_file": "f",
    }
    days = [("ada-lovelace", MARCH_1), ("ben", MARCH_1), ("ben", MARCH_2), ("cy", MARCH_2)]
    made = [origin | {"user_id": user, "arrival_date": day, "source_row": n} for n, (user, day) in enumerate(days)]  # fmt: skip
    append(lake, listens, rows_of(listens.name, *made))

    result = table_rewrite.erase_from_table(lake, listens, ADA)
    table_rewrite.purge_history(lake, listens)

    assert (result.removed, result.changed) == (1, 0)
    left = read_table(lake, listens).sort_by("source_row").to_pylist()
    assert [(row["user_id"], row["arrival_date"]) for row in left] == days[1:]
    assert files_containing_id(lake, ADA.user_id) == []


def test_a_table_without_the_person_keeps_its_version(lake):
    follows = write_follows(lake, MARCH_1, ("cy", "ben"))
    version = open_table(lake, follows).version()

    assert table_rewrite.erase_from_table(lake, follows, ADA) is None
    assert open_table(lake, follows).version() == version


def test_the_purge_removes_a_person_who_is_in_old_versions_only(lake):
    follows = write_follows(lake, MARCH_1, ("ada-lovelace", "ben"))
    write_follows(lake, MARCH_1, ("cy", "ben"))

    assert table_rewrite.erase_from_table(lake, follows, ADA) is None
    assert files_containing_id(lake, ADA.user_id)
    table_rewrite.purge_history(lake, follows)

    assert files_containing_id(lake, ADA.user_id) == []
    assert read_table(lake, follows).to_pylist() == [follow("cy", "ben")]


def test_a_purged_table_can_be_written_and_purged_again(lake):
    follows = write_follows(lake, MARCH_1, ("ada-lovelace", "ben"), ("cy", "ben"))
    table_rewrite.erase_from_table(lake, follows, ADA)
    table_rewrite.purge_history(lake, follows)

    write_follows(lake, MARCH_2, ("cy", "dora"))
    table_rewrite.purge_history(lake, follows)

    assert read_table(lake, follows).to_pylist() == [follow("cy", "ben"), follow("cy", "dora", MARCH_2)]  # fmt: skip


def test_readers_keep_the_published_slice_when_it_was_staged_again(lake):
    """Published: cy → ben; staged later: cy → dora. Each keeps a version, and neither names Ada."""
    follows = write_follows(lake, MARCH_1, ("cy", "ben"), ("ada-lovelace", "ben"))
    pinned = table_rewrite.PinnedSlice(open_table(lake, follows).version(), MARCH_1)
    write_follows(lake, MARCH_1, ("cy", "dora"), ("ada-lovelace", "dora"))
    write_follows(lake, MARCH_2, ("cy", "eve"))

    result = table_rewrite.erase_from_table(lake, follows, ADA, pinned=pinned)
    table_rewrite.purge_history(lake, follows, keep=[result.version])

    published = read_table(lake, follows, version=result.version).to_pylist()
    assert published == [follow("cy", "ben"), follow("cy", "eve", MARCH_2)]
    newest = read_table(lake, follows).to_pylist()
    assert newest == [follow("cy", "dora"), follow("cy", "eve", MARCH_2)]
    assert files_containing_id(lake, ADA.user_id) == []


@pytest.mark.parametrize("is_same_process", [True, False])
def test_an_erasure_that_was_killed_before_its_publication_ends_at_the_same_pinned_version(
    lake, is_same_process
):
    """The slice has two files and one names Ada: the pinned and the newest version share the other.

    A process that goes on has staged once, and another one stages again.
    """
    follows = write_follows(lake, MARCH_1, ("cy", "ben"), ("ada-lovelace", "ben"))
    append(lake, follows, rows_of(follows.name, follow("dora", "eve")))
    pinned = table_rewrite.PinnedSlice(open_table(lake, follows).version(), MARCH_1)
    first = table_eraser.TableEraser(lake, follows, ADA)
    first.erase(pinned)

    again = first if is_same_process else table_eraser.TableEraser(lake, follows, ADA)
    result = again.erase(pinned)

    assert (result.removed, result.is_slice_changed) == (1, True)
    for version in (result.version, None):
        rows = read_table(lake, follows, version=version).sort_by("user_id").to_pylist()
        assert rows == [follow("cy", "ben"), follow("dora", "eve")]
    table_rewrite.purge_history(lake, follows, keep=[result.version])
    assert files_containing_id(lake, ADA.user_id) == []
    assert read_table(lake, follows, version=result.version).num_rows == 2


def test_the_purge_deletes_files_of_a_killed_writer(lake):
    """No version lists the file, because its writer died before the commit."""
    follows = write_follows(lake, MARCH_1, ("cy", "ben"))
    write_follows(lake, MARCH_2, ("cy", "ben"))
    orphan = Path(lake, "tables", follows.name, "as_of_date=2026-03-01", "part-lost.parquet")
    pq.write_table(rows_of(follows.name, follow("ada-lovelace", "ben")), orphan)

    table_rewrite.purge_history(lake, follows)

    assert not orphan.exists()
    assert read_table(lake, follows).to_pylist() == [follow("cy", "ben"), follow("cy", "ben", MARCH_2)]  # fmt: skip


def reject(original_text, detail="", row=0):
    return {"table_name": "raw_listens", "reject_reason": "wrong_type", "reject_detail": detail,
            "original_text": original_text, "source_file": "f", "source_row": row,
            "arrival_date": MARCH_1}  # fmt: skip


def test_a_reject_goes_when_its_original_is_about_the_person(lake):
    """User columns of any type count, and so do columns that are in no contract."""
    originals = [
        json.dumps({"user_id": "ada-lovelace", "track_id": "t"}),
        json.dumps({"user_id": ["ada-lovelace", "ben"]}),
        json.dumps({"user_id": "ben", "sent_by": "ada-lovelace"}),
        json.dumps({"user_id": "ben", "track_id": "ada-lovelace"}),  # a track with this id
        json.dumps({"user_id": "ada-lovelace-2"}),
    ]
    rejects = table_called("raw_rejects")
    append(lake, rejects, rows_of(rejects.name, *(reject(text, row=number) for number, text in enumerate(originals))))  # fmt: skip

    result = table_rewrite.erase_from_table(lake, rejects, ADA)

    assert result.removed == 3
    assert [row["source_row"] for row in read_table(lake, rejects).to_pylist()] == [3, 4]


def test_the_stored_head_of_an_unreadable_file_is_redacted_when_it_names_the_person(lake):
    """The reject stays, because the file holds rows of several people."""
    rejects = table_called("raw_rejects")
    head = base64.b64encode(b"PAR1\x00ada-lovelace\x00").decode()
    append(lake, rejects, rows_of(rejects.name, reject(head)))

    result = table_rewrite.erase_from_table(lake, rejects, ADA)

    assert (result.removed, result.changed) == (0, 1)
    assert [row["original_text"] for row in read_table(lake, rejects).to_pylist()] == [ERASED]


def test_only_a_user_node_with_the_id_goes(lake):
    nodes = table_called("graph_nodes")
    named = [{"as_of_date": MARCH_1, "node_kind": kind, "node_id": "ada-lovelace", "node_index": 1} for kind in ("user", "artist")]  # fmt: skip
    append(lake, nodes, rows_of(nodes.name, *named))

    table_rewrite.erase_from_table(lake, nodes, ADA)

    assert [row["node_kind"] for row in read_table(lake, nodes).to_pylist()] == ["artist"]


def test_a_reason_that_names_the_person_becomes_neutral_and_the_row_stays(lake):
    topk = table_called("rec_topk")
    plain = {"as_of_date": MARCH_1, "track_id": "t", "title": "T", "artist_id": "a", "artist_name": "A",
             "artist_match_key": "a", "title_match_key": "t", "score": 1.0, "run_id": "r"}  # fmt: skip
    named = {"reason_kind": "followed_listen", "reason_subject": "ada-lovelace", "reason_text": "ada-lovelace, whom you follow, plays this"}  # fmt: skip
    append(lake, topk, rows_of(topk.name,
        plain | named | {"user_id": "ben", "rank": 1, "tier": "warm"},
        plain | named | {"user_id": "ben", "rank": 2, "tier": "social"},
        plain | named | {"user_id": "ben", "rank": 3, "tier": "warm", "reason_subject": "cy", "reason_text": "cy, whom you follow, plays this"},
        plain | named | {"user_id": "ada-lovelace", "rank": 1, "tier": "warm", "reason_subject": "cy"},
    ))  # fmt: skip

    result = table_rewrite.erase_from_table(lake, topk, ADA)

    assert (result.removed, result.changed) == (1, 2)
    reasons = [(row["reason_kind"], row["reason_subject"], row["reason_text"]) for row in read_table(lake, topk).to_pylist()]  # fmt: skip
    assert reasons == [
        ("taste", None, "Close to what you play"),
        ("popular", None, "Many listeners play this"),
        ("followed_listen", "cy", "cy, whom you follow, plays this"),
    ]
