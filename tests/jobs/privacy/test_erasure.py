"""Erasure requests: unknown people are refused, killed steps run again, and no row comes back."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from jinja2 import Environment

from feature_store.lake import arrow_io
from feature_store.lake.arrow_io import read_table
from feature_store.lake.storage import open_storage
from feature_store.privacy import requests, suppression
from feature_store.privacy.person_filter import ERASED, Person
from feature_store.publishing import publish
from feature_store.publishing.snapshot import (
    Pin,
    current_event,
    events,
    open_snapshot,
    snapshot_before,
)
from feature_store.settings import Night, load_settings
from feature_store.tables import PUBLISHED_TABLES, table_called
from feature_store.tables.recommendations import REC_TOPK
from feature_store.tables.runs import RUN_ERASURES, RUN_PROMOTIONS, RUN_WAIVERS
from jobs.landing.writer import LandingWriter
from jobs.privacy import erasure
from jobs.privacy.export import NoPersonalData, export
from jobs.privacy.leftovers import delete_leftovers
from tests.support.id_search import files_containing_id

MARCH_1, MARCH_2, MARCH_3 = date(2026, 3, 1), date(2026, 3, 2), date(2026, 3, 3)
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
GATE = {"rule": "r", "table_name": "rec_topk", "is_passed": True, "value": 0.0, "threshold": "at most 0",
        "examples": '{"user_id":"ada-l"}'}  # fmt: skip


@pytest.fixture
def settings(tmp_path):
    return load_settings(
        lake=str(tmp_path / "lake"), state=tmp_path / "state", privacy={"reader_grace_s": 0}
    )


@pytest.fixture
def published(settings):
    """Two days of lists of ada-l and ben, both published; the events' gates name ada-l."""
    for day in (MARCH_1, MARCH_2):
        night = Night(day, f"run-{day}", settings)
        pins = [_stage(night, table) for table in PUBLISHED_TABLES]
        event = publish.publish(night, pins=pins, gates=[], inputs=[], model_versions=[], current=current_event(events(settings.lake)), mode="auto", actor="t", now=NOON)  # fmt: skip
        assert event.action == "publish"
    return settings


def _stage(night, table):
    empty = dict.fromkeys(table.column_names) | {"as_of_date": night.as_of, "rank": 1, "run_id": night.run_id}  # fmt: skip
    plain = {"track_id": "t", "title": "T", "artist_id": "a", "artist_name": "A", "artist_match_key": "a",
             "title_match_key": "t", "score": 1.0, "tier": "warm", "reason_kind": "taste", "reason_text": "x"}  # fmt: skip
    rows = [empty | plain | {"user_id": user} for user in ("ada-l", "ben")] if table is REC_TOPK else []  # fmt: skip
    frame = pa.Table.from_pylist(rows, schema=table.arrow_schema)
    written = arrow_io.write_slice(night.settings.lake, table, frame, as_of=night.as_of)
    return Pin(table.name, written.table_version, written.row_count, written.content_sha256)


def request_erasure(settings, user_id="ada-l", **options):
    return erasure.request_erasure(settings, user_id, actor="officer", now=NOON, **options)


def erase(settings, spark):
    request_id = request_erasure(settings)
    erasure.erase_rows(settings, request_id, spark=spark, clock=lambda: NOON)
    erasure.finish(settings, request_id, clock=lambda: NOON)
    return request_id


def test_readers_get_the_same_run_without_the_person_before_the_old_files_go(published, spark):
    request_id = request_erasure(published)

    erasure.erase_rows(published, request_id, spark=spark, clock=lambda: NOON)

    snapshot = open_snapshot(published.lake)
    assert (snapshot.event.action, snapshot.run_id, snapshot.as_of) == ("erase", "run-2026-03-02", MARCH_2)  # fmt: skip
    assert snapshot.read("rec_topk")["user_id"].to_pylist() == ["ben"]
    assert erasure.status(published, request_id) == "pending"
    assert files_containing_id(published.lake, "ada-l")


def test_after_the_erasure_nothing_names_the_person_and_run_erasures_has_its_row(published, spark):
    request_id = erase(published, spark)

    assert files_containing_id(published.lake, "ada-l") == []
    assert files_containing_id(published.state, "ada-l") == []
    assert erasure.status(published, request_id) == "finished"
    [row] = read_table(published.lake, RUN_ERASURES).to_pylist()
    assert row["removed"] == [{"name": "rec_topk", "row_count": 2}]
    assert (row["actor"], row["finished_at_utc"], row["event_number"]) == ("officer", NOON, 3)


def test_an_earlier_run_cannot_be_restored_and_the_message_names_the_next_step(published, spark):
    erase(published, spark)

    with pytest.raises(publish.RunErased, match=r"event 3.*evensong night --as-of 2026-03-01"):
        publish.rollback(published.lake, "run-2026-03-01", actor="t", reason=None, now=NOON)


def test_the_run_that_was_current_can_still_be_restored(published, spark):
    erase(published, spark)

    event = publish.rollback(published.lake, "run-2026-03-02", actor="t", reason=None, now=NOON)

    assert (event.action, event.event_number) == ("rollback", 4)
    assert open_snapshot(published.lake).read("rec_topk")["user_id"].to_pylist() == ["ben"]


def test_a_backfill_still_compares_with_the_day_before_without_the_person(published, spark):
    """That day's pinned version is gone; the versions that the erasure pinned hold its slice."""
    erase(published, spark)

    compared = snapshot_before(published.lake, MARCH_2)

    assert (compared.run_id, compared.as_of) == ("run-2026-03-01", MARCH_1)
    assert compared.read("rec_topk")["user_id"].to_pylist() == ["ben"]


def test_running_an_erasure_again_publishes_nothing_new(published, spark):
    request_id = request_erasure(published)
    erasure.erase_rows(published, request_id, spark=spark, clock=lambda: NOON)
    seen = open_snapshot(published.lake).event

    erasure.erase_rows(published, request_id, spark=spark, clock=lambda: NOON)
    erasure.finish(published, request_id, clock=lambda: NOON)
    erasure.finish(published, request_id, clock=lambda: NOON)

    assert open_snapshot(published.lake).event == seen
    assert read_table(published.lake, RUN_ERASURES).num_rows == 1
    assert open_snapshot(published.lake).read("rec_topk").num_rows == 1


def test_readers_see_no_suppressed_person_even_before_the_rewrite(published, monkeypatch):  # fmt: skip
    """The reader's installation has the key; a read without the id column is filtered as well."""
    monkeypatch.setenv("EVENSONG_STATE", str(published.state))
    suppression.suppress(published, "ada-l")

    snapshot = open_snapshot(published.lake)

    assert snapshot.read("rec_topk")["user_id"].to_pylist() == ["ben"]
    assert snapshot.read("rec_topk", columns=["track_id"]).num_rows == 1


def test_examples_in_events_are_redacted(published, spark):
    newest = events(published.lake)[-1]
    publish.append_event(published.lake, newest.__class__(**{**_fields(newest), "action": "blocked", "replaces_event": 2, "gates": (GATE,)}))  # fmt: skip

    erase(published, spark)

    assert [gate["examples"] for gate in events(published.lake)[2].gates] == [ERASED]


def _fields(event):
    return {name: getattr(event, name) for name in event.__dataclass_fields__}


def test_an_unknown_person_is_refused_unless_even_unknown_is_given(settings):
    with pytest.raises(erasure.UnknownPerson, match="--even-unknown"):
        request_erasure(settings, "unknown")

    request_id = request_erasure(settings, "unknown", even_unknown=True)
    erasure.erase_rows(settings, request_id)
    erasure.finish(settings, request_id)

    assert erasure.status(settings, request_id) == "finished"
    assert suppression.load_suppression_list(settings).matches("unknown")


def test_an_unknown_request_names_the_next_step(settings):
    for step in (erasure.status, erasure.erase_rows, erasure.finish):
        with pytest.raises(requests.UnknownRequest, match="evensong erase"):
            step(settings, "0123456789abcdef")


def test_rows_written_after_the_rewrite_keep_the_erasure_from_finishing(published, spark):
    """A writer that bypasses the jobs; the request stays pending."""
    request_id = request_erasure(published)
    erasure.erase_rows(published, request_id, spark=spark, clock=lambda: NOON)
    users = table_called("core_users")
    row = dict.fromkeys(users.column_names) | {"user_id": "ada-l", "is_opted_out": False, "is_named_to_others": False, "known_from_date": MARCH_3}  # fmt: skip
    arrow_io.append(published.lake, users, pa.Table.from_pylist([row], schema=users.arrow_schema))

    with pytest.raises(erasure.ErasureIncomplete, match="core_users: 1 rows") as refused:
        erasure.finish(published, request_id, clock=lambda: NOON)

    assert "ada-l" not in str(refused.value)
    assert erasure.status(published, request_id) == "pending"


def test_an_export_has_the_rows_of_this_person_only(published):
    sections = export(published, "ada-l")

    assert set(sections) == {"rec_topk"}
    assert {row["user_id"] for row in sections["rec_topk"]} == {"ada-l"}
    assert len(sections["rec_topk"]) == 2


def test_an_export_of_an_unknown_person_is_an_error(published):
    with pytest.raises(NoPersonalData, match="check the id"):
        export(published, "unknown")


def test_a_request_that_outlived_its_erasure_record_is_deleted_by_the_next_try(published, spark):
    request_id = request_erasure(published)
    content = open_storage(published.lake).read(f"privacy/requests/{request_id}.json")
    erasure.erase_rows(published, request_id, spark=spark, clock=lambda: NOON)
    erasure.finish(published, request_id, clock=lambda: NOON)
    requests = Path(published.lake, "privacy", "requests")
    (requests / f"{request_id}.json").write_bytes(content)
    (requests / f".{request_id}.json").write_bytes(content)
    (requests / f".{request_id}.json-4711").write_bytes(content)  # a partial file of process 4711

    erasure.finish(published, request_id, clock=lambda: NOON)

    assert list(requests.iterdir()) == []
    assert files_containing_id(published.lake, "ada-l") == []


def test_events_and_reports_written_during_the_erasure_lose_the_person_before_it_ends(
    published, spark
):
    """A night that had read the person was blocked in between; its event and report name her."""
    request_id = request_erasure(published)
    erasure.erase_rows(published, request_id, spark=spark, clock=lambda: NOON)
    newest = events(published.lake)[-1]
    late = {"action": "blocked", "run_id": "late", "replaces_event": 3, "gates": (GATE,)}
    publish.append_event(published.lake, newest.__class__(**{**_fields(newest), **late}))
    open_storage(published.lake).write("reports/2026-03-03/late.html", b"<p>ada-l</p>")

    erasure.finish(published, request_id, clock=lambda: NOON)

    assert files_containing_id(published.lake, "ada-l") == []


def test_the_reason_of_a_waiver_is_redacted(published, spark):
    waiver = {"rule": "churn_ratio", "actor": "ann", "reason": "ada-l came back", "recorded_at_utc": NOON}  # fmt: skip
    row = pa.Table.from_pylist([{"run_id": "r"} | waiver], schema=RUN_WAIVERS.arrow_schema)
    arrow_io.append(published.lake, RUN_WAIVERS, row)

    erase(published, spark)

    assert read_table(published.lake, RUN_WAIVERS)["reason"].to_pylist() == [ERASED]
    assert files_containing_id(published.lake, "ada-l") == []


def test_the_reason_of_a_promotion_is_redacted(published, spark):
    """The decision stays, and so does a reason that does not name the person."""
    model = {"training_task": "ranking", "family": "ease", "model_version": "v1", "actor": "ann", "recorded_at_utc": NOON}  # fmt: skip
    decided = [
        model | {"decision": "promote", "decision_as_of_date": MARCH_1, "reason": "new"},
        model | {"decision": "demote", "decision_as_of_date": MARCH_2, "reason": "ada-l complained"},
    ]  # fmt: skip
    rows = pa.Table.from_pylist(decided, schema=RUN_PROMOTIONS.arrow_schema)
    arrow_io.append(published.lake, RUN_PROMOTIONS, rows)
    assert files_containing_id(Path(published.lake) / "tables" / "run_promotions", "ada-l")

    erase(published, spark)

    kept = read_table(published.lake, RUN_PROMOTIONS).to_pylist()
    assert {row["decision"]: row["reason"] for row in kept} == {"promote": "new", "demote": ERASED}
    assert files_containing_id(published.lake, "ada-l") == []


def test_rows_of_others_lose_the_name_of_a_landing_file_that_holds_the_id(settings, spark):
    """raw_tracks names no people otherwise; its rows follow the file to its new name."""
    tracks = table_called("raw_tracks")
    path = "landing/tracks/2026-03-01/for_ada-l.parquet"
    row = dict.fromkeys(tracks.column_names) | {"track_id": "t", "title": "T", "artist_id": "a", "artist_name": "A", "is_available": True, "source_file": path, "source_row": 0, "arrival_date": MARCH_1}  # fmt: skip
    arrow_io.append(settings.lake, tracks, pa.Table.from_pylist([row], schema=tracks.arrow_schema))
    LandingWriter(open_storage(settings.lake)).write_rows("tracks", MARCH_1, pa.table({"track_id": ["t"]}), "for_ada-l")  # fmt: skip

    erase_unknown(settings, "ada-l")

    assert files_containing_id(settings.lake, "ada-l") == []
    [found] = open_storage(settings.lake).list("landing/tracks")
    assert read_table(settings.lake, tracks)["source_file"].to_pylist() == [found.path]


@pytest.mark.parametrize("user_id", ["O'Neil", "spotify:user:ann", "a,b", "7"])
def test_pages_of_a_person_of_any_id_are_deleted_and_others_stay(settings, user_id):
    storage = open_storage(settings.lake)
    page = Environment(autoescape=True).from_string("<h3>{{ user_id }}</h3><td>7</td>")
    storage.write("reports/2026-03-01/r.html", page.render(user_id=user_id).encode())
    storage.write("reports/2026-03-01/other.html", page.render(user_id="8").encode())

    erase_unknown(settings, user_id)

    assert [file.path for file in storage.list("reports")] == ["reports/2026-03-01/other.html"]


def test_half_written_files_of_killed_processes_go_and_those_of_living_ones_stay(settings):
    """Parquet hides the id in its pages; a file without the person may be one that is being written."""
    storage = open_storage(settings.lake)
    sink = BytesIO()
    pq.write_table(pa.table({"user_id": ["ada-l"] * 50}), sink)
    contents = {"models/.writing-1": sink.getvalue(), "reports/.writing-2": b"<p>ada-l</p>",
                "privacy/requests/.00.json-4711": b'{"user_id": "ada-l"}', "models/.writing-3": b"of ben"}  # fmt: skip
    for path, content in contents.items():
        storage.write(path, content)

    erase_unknown(settings, "ada-l")

    assert [path for path in contents if storage.exists(path)] == ["models/.writing-3"]


def test_an_old_half_written_file_goes_whomever_it_is_about(settings):
    storage = open_storage(settings.lake)
    storage.write("models/.writing-3", b"packed")
    [written] = storage.list("models")

    assert delete_leftovers(storage, Person("ada"), written.written_at_utc + timedelta(minutes=59)) == 0  # fmt: skip
    assert delete_leftovers(storage, Person("ada"), written.written_at_utc + timedelta(minutes=61)) == 1  # fmt: skip


def erase_unknown(settings, user_id):
    request_id = request_erasure(settings, user_id, even_unknown=True)
    erasure.erase_rows(settings, request_id, clock=lambda: NOON)
    erasure.finish(settings, request_id, clock=lambda: NOON)
