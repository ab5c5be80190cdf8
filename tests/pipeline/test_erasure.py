"""A person is erased after a night, then lands again, and an old date is run again: never back."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pyarrow as pa
import pytest

from dags.operators.erasure_steps import STEPS
from feature_store.lake.arrow_io import read_table
from feature_store.lake.delta_tables import exists
from feature_store.lake.storage import open_storage
from feature_store.privacy.person_filter import Person, names_people
from feature_store.privacy.table_rewrite import count_named
from feature_store.publishing.snapshot import Snapshot, events, open_snapshot
from feature_store.settings import Settings, load_settings
from feature_store.tables import TABLES
from feature_store.tables.runs import RUN_ERASURES
from jobs.landing.manifests import LandingWriter
from jobs.privacy.erasure import request_erasure, status
from jobs.privacy.export import export
from tests.support import worlds
from tests.support.id_search import traces

pytestmark = pytest.mark.timeout(1200)

ERASED = "rock-2"
FAN = "fan"  # follows rock-2 alone, who agreed to be named
NOON = worlds.datetime(2026, 3, 2, 12, tzinfo=worlds.UTC)


@dataclass
class Story:
    """What happened, step by step."""

    settings: Settings
    source: Path
    first: dict[str, Any]
    exported: dict[str, Any]
    others_before: dict[str, list]
    lists_before: list
    others_after: dict[str, list]
    lists_after: list
    files_after: list[str]
    request_id: str


@pytest.fixture(scope="module")
def story(tmp_path_factory, run_night, spark):
    """A night with rock-2 everywhere; a copy of landing; the erasure."""
    root = tmp_path_factory.mktemp("erasure")
    lake = root / "lake"
    settings = load_settings(lake=str(lake), state=root / "lake-state", privacy={"reader_grace_s": 0})  # fmt: skip
    worlds.write_tiny_world(open_storage(str(lake)))
    _land_more(open_storage(str(lake)))
    first = run_night(lake, worlds.LAST_DAY)
    source = shutil.copytree(lake / "landing", tmp_path_factory.mktemp("source") / "landing", ignore=shutil.ignore_patterns("_manifests"))  # fmt: skip
    assert len(traces(lake, ERASED)) > 30
    exported = export(settings, ERASED)
    before, lists_before = _others(settings), _lists(settings)
    request_id = request_erasure(settings, ERASED, actor="officer", now=NOON)
    assert status(settings, request_id) == "pending"
    erase_with(settings, request_id)
    return Story(settings, source, first, exported, before, lists_before, _others(settings),
                 _lists(settings), traces(root, ERASED), request_id)  # fmt: skip


def erase_with(settings, request_id):
    for step in STEPS:
        resolve_name(step)(settings, request_id)


def _land_more(storage):
    """Every place that can name her: a consent, a fan, a button, a tag, a bad row, a broken file."""
    writer, day = LandingWriter(storage), worlds.LAST_DAY
    hers = {"user_id": ERASED, "registered_date": worlds.FIRST_DAY, "is_opted_out": False, "is_named_to_others": True}  # fmt: skip
    writer.rows("users", day, pa.Table.from_pylist([hers, hers | {"user_id": FAN}]))
    fan = {"user_id": FAN, "followed_user_id": ERASED, "followed_from_date": day, "is_active": True}
    writer.rows("follows", day, pa.Table.from_pylist([fan]))
    writer.rows("tags", day, pa.Table.from_pylist([{"track_id": "r1", "tag": "loud", "user_id": ERASED}]))  # fmt: skip
    hide = worlds._hide(ERASED, "j1")
    writer.rows("feedback", day, pa.Table.from_pylist([hide]), part="part-1")
    shown = {
        "user_id": ERASED,
        "track_id": "j1",
        "shown_at_utc": worlds._hide(ERASED, "j1")["given_at_utc"],
    }
    writer.rows("impressions", day, pa.Table.from_pylist([shown]))
    bad = worlds._listen(ERASED, "r1", day, 12) | {"played_ms": -1}
    writer.rows("listens", day, pa.Table.from_pylist([bad]), part="part-2")
    storage.write(f"landing/listens/{day}/part-3.parquet", f"not Parquet, {ERASED}".encode())


def _others(settings):
    """Every row of every table that can name people, without those that name her."""
    return {
        table.name: [
            row for row in read_table(settings.lake, table).to_pylist() if not _names_her(row)
        ]
        for table in TABLES.values()
        if names_people(table) and table.name != "published_runs" and exists(settings.lake, table)
    }


def _names_her(row):
    """An unreadable file's head is kept as base64, so the id is not to be seen in it."""
    return ERASED in str(row) or row.get("reject_reason") == "unreadable_file"


def _lists(settings):
    return open_snapshot(settings.lake).read("rec_topk").to_pylist()


def test_the_export_has_a_section_for_every_table_that_knew_her(story):
    assert {
        "raw_listens", "raw_users", "raw_follows", "raw_feedback", "raw_tags", "raw_rejects",
        "raw_impressions", "core_impressions",
        "core_users", "core_listens", "core_daily_listens", "core_follows", "core_feedback", "core_tags",
        "graph_nodes", "graph_user_listened_track", "graph_user_follows_user", "score_candidates", "rec_topk",
    } <= set(story.exported)  # fmt: skip


def test_no_file_of_lake_or_state_holds_the_id(story):
    """Files, log entries, statistics, rejects, checkpoints, MLflow, reports, the request."""
    assert story.files_after == []
    assert status(story.settings, story.request_id) == "finished"


def test_everybody_elses_rows_are_what_they_were(story):
    """0 lost rows; only those that named her in a reason changed, and they are still there."""
    for name, rows in story.others_before.items():
        missing = [row for row in rows if row not in story.others_after[name]]
        assert missing == [], name
    fans = [row for row in story.lists_after if row["user_id"] == FAN]
    before = [row for row in story.lists_before if row["user_id"] == FAN]
    assert {row["reason_subject"] for row in before} == {ERASED}
    assert {row["reason_text"] for row in fans} == {"Many listeners play this"}
    assert [row["track_id"] for row in fans] == [row["track_id"] for row in before]


def test_readers_see_the_same_run_without_her_by_an_event(story):
    published, erased = events(story.settings.lake)[:2]

    assert (erased.action, erased.replaces_event, erased.event_number) == ("erase", 1, 2)
    assert (erased.as_of, erased.run_id) == (published.as_of, published.run_id)
    [topk] = [pin for pin in erased.tables if pin.table_name == "rec_topk"]
    assert topk.row_count == len(story.lists_after) == len(story.lists_before) - 3
    assert {row["user_id"] for row in story.lists_before} - {
        row["user_id"] for row in story.lists_after
    } == {ERASED}


def test_the_evidence_says_what_and_not_who(story):
    [row] = read_table(story.settings.lake, RUN_ERASURES).to_pylist()

    removed = {each["name"]: each["row_count"] for each in row["removed"]}
    assert (row["request_id"], row["actor"], row["event_number"]) == (story.request_id, "officer", 2)  # fmt: skip
    assert removed["raw_listens"] == 5 * worlds.N_DAYS
    assert removed["raw_rejects"] == 2  # her bad row, the head of the broken file
    assert removed["rec_topk"] == 3 + 3  # her list, her fan's reasons
    assert removed["models"] == 1
    assert row["removed_file_count"] > 30


def test_she_lands_again_and_old_dates_run_again_and_she_is_not_back(story, run_night):
    """The source sends everything once more, and a new day with her in it; then two nights."""
    lake = Path(story.settings.lake)
    shutil.copytree(story.source, lake / "landing", dirs_exist_ok=True)
    worlds.write_next_day(open_storage(str(lake)))
    assert traces(lake, ERASED)

    run_night(lake, worlds.NEXT_DAY)

    assert traces(lake.parent, ERASED) == []
    assert ERASED not in {row["user_id"] for row in _lists(story.settings)}
    assert open_snapshot(str(lake)).as_of == worlds.NEXT_DAY

    run_night(lake, worlds.LAST_DAY)

    assert traces(lake.parent, ERASED) == []
    backfilled = [event for event in events(str(lake)) if event.action == "stage_only"][-1]
    people = set(Snapshot(str(lake), backfilled).read("rec_topk")["user_id"].to_pylist())
    assert ERASED not in people
    assert people == {row["user_id"] for row in story.lists_after}
    for table in TABLES.values():
        if names_people(table) and exists(str(lake), table):
            assert count_named(str(lake), table, Person(ERASED)) == 0, table.name
