"""An erased person stays erased when the source sends the rows again and old dates run again."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pytest

from dags.operators.erasure_steps import ERASURE_STEPS
from feature_store.lake.arrow_io import read_table
from feature_store.lake.delta_tables import exists
from feature_store.lake.storage import open_storage
from feature_store.privacy.person_filter import Person
from feature_store.privacy.personal_data import has_personal_data
from feature_store.privacy.table_rewrite import count_matching_rows
from feature_store.publishing.snapshot import Snapshot, events, open_snapshot
from feature_store.settings import Settings, load_settings
from feature_store.tables import TABLES
from feature_store.tables.runs import RUN_ERASURES
from jobs.privacy.erasure import request_erasure, status
from jobs.privacy.export import export
from tests.support import toy_dataset
from tests.support.id_search import files_containing_id

pytestmark = pytest.mark.timeout(1200)

ERASED, FAN = toy_dataset.NAMED, toy_dataset.FAN
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@dataclass
class Erasure:
    """State before and after the erasure."""

    settings: Settings
    landing_copy: Path
    exported: dict[str, Any]
    other_rows_before: dict[str, list]
    lists_before: list
    other_rows_after: dict[str, list]
    lists_after: list
    files_after: list[str]
    request_id: str


@pytest.fixture(scope="module")
def erasure(tmp_path_factory, nights, spark):
    """After a night with the person in every table: copy landing, then erase the person."""
    lake = nights.lake_to_erase_from
    settings = load_settings(lake=str(lake), state=f"{lake}-state", privacy={"reader_grace_s": 0})
    landing_copy = shutil.copytree(lake / "landing", tmp_path_factory.mktemp("source") / "landing", ignore=shutil.ignore_patterns("_manifests"))  # fmt: skip
    assert len(files_containing_id(lake, ERASED)) > 30
    exported = export(settings, ERASED)
    before, lists_before = _other_rows(settings), _lists(settings)
    request_id = request_erasure(settings, ERASED, actor="officer", now=NOON)
    assert status(settings, request_id) == "pending"
    run_steps(settings, request_id)
    return Erasure(settings, landing_copy, exported, before, lists_before, _other_rows(settings),
                 _lists(settings), files_containing_id(lake.parent, ERASED), request_id)  # fmt: skip


def run_steps(settings, request_id):
    for step in ERASURE_STEPS:
        resolve_name(step)(settings, request_id)


def _other_rows(settings):
    """Rows that do not name the person, of every table that can name people."""
    return {
        table.name: [
            row for row in read_table(settings.lake, table).to_pylist() if not _names_person(row)
        ]
        for table in TABLES.values()
        if has_personal_data(table)
        and table.name != "published_runs"
        and exists(settings.lake, table)
    }


def _names_person(row):
    """Whether the row names the person; unreadable files are rejected as base64, which hides the id."""
    return ERASED in str(row) or row.get("reject_reason") == "unreadable_file"


def _lists(settings):
    return open_snapshot(settings.lake).read("rec_topk").to_pylist()


def test_the_export_has_a_section_for_every_table_that_names_the_person(erasure):
    assert {
        "raw_listens", "raw_users", "raw_follows", "raw_feedback", "raw_tags", "raw_rejects",
        "raw_impressions", "core_impressions",
        "core_users", "core_listens", "core_daily_listens", "core_track_pairs", "core_follows", "core_feedback", "core_tags",
        "feat_listen_mood",
        "graph_nodes", "graph_user_listened_track", "graph_user_follows_user", "score_candidates", "rec_topk",
    } <= set(erasure.exported)  # fmt: skip


def test_no_file_of_lake_or_state_holds_the_id(erasure):
    """Data files, log entries, statistics, rejects, checkpoints, MLflow, reports and the request."""
    assert erasure.files_after == []
    assert status(erasure.settings, erasure.request_id) == "finished"


def test_rows_of_all_other_people_are_unchanged(erasure):
    """No row is lost; rows whose reason named the person get another reason."""
    for name, rows in erasure.other_rows_before.items():
        missing = [row for row in rows if row not in erasure.other_rows_after[name]]
        assert missing == [], name
    fans = [row for row in erasure.lists_after if row["user_id"] == FAN]
    before = [row for row in erasure.lists_before if row["user_id"] == FAN]
    assert {row["reason_subject"] for row in before} == {ERASED}
    assert {row["reason_text"] for row in fans} == {"Many listeners play this"}
    assert [row["track_id"] for row in fans] == [row["track_id"] for row in before]


def test_an_erase_event_shows_readers_the_same_run_without_the_person(erasure):
    published, erased = events(erasure.settings.lake)[:2]

    assert (erased.action, erased.replaces_event, erased.event_number) == ("erase", 1, 2)
    assert (erased.as_of, erased.run_id) == (published.as_of, published.run_id)
    [topk] = [pin for pin in erased.tables if pin.table_name == "rec_topk"]
    assert topk.row_count == len(erasure.lists_after) == len(erasure.lists_before) - 3
    assert {row["user_id"] for row in erasure.lists_before} - {
        row["user_id"] for row in erasure.lists_after
    } == {ERASED}


def test_the_erasure_record_names_tables_but_no_person(erasure):
    [row] = read_table(erasure.settings.lake, RUN_ERASURES).to_pylist()

    removed = {each["name"]: each["row_count"] for each in row["removed"]}
    assert (row["request_id"], row["actor"], row["event_number"]) == (erasure.request_id, "officer", 2)  # fmt: skip
    assert removed["raw_listens"] == 5 * toy_dataset.N_DAYS
    assert removed["raw_rejects"] == 2  # the rejected row, the head of the unreadable file
    assert removed["rec_topk"] == 3 + 3  # the person's list, the fan's reasons
    assert removed["models"] == 1
    assert row["removed_file_count"] > 30


def test_the_person_stays_erased_when_rows_land_again_and_old_dates_run_again(erasure, run_night):
    """The source sends all files again and a new day that names the person; then two nights run."""
    lake = Path(erasure.settings.lake)
    shutil.copytree(erasure.landing_copy, lake / "landing", dirs_exist_ok=True)
    toy_dataset.land_next_day(open_storage(str(lake)))
    assert files_containing_id(lake, ERASED)

    run_night(lake, toy_dataset.NEXT_DAY)

    assert files_containing_id(lake.parent, ERASED) == []
    assert ERASED not in {row["user_id"] for row in _lists(erasure.settings)}
    assert open_snapshot(str(lake)).as_of == toy_dataset.NEXT_DAY

    run_night(lake, toy_dataset.LAST_DAY)

    assert files_containing_id(lake.parent, ERASED) == []
    backfilled = [event for event in events(str(lake)) if event.action == "stage_only"][-1]
    user_ids = set(Snapshot(str(lake), backfilled).read("rec_topk")["user_id"].to_pylist())
    assert ERASED not in user_ids
    assert user_ids == {row["user_id"] for row in erasure.lists_after}
    for table in TABLES.values():
        if has_personal_data(table) and exists(str(lake), table):
            assert count_matching_rows(str(lake), table, Person(ERASED)) == 0, table.name
