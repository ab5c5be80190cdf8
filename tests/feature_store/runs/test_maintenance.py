"""Maintenance: the lake shrinks, and restorable runs stay readable."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from feature_store.lake.arrow_io import append, read_table, write_slice
from feature_store.lake.delta_tables import open_table
from feature_store.publishing.publish import append_event, contract_version
from feature_store.publishing.snapshot import Event, Pin, Snapshot, current_event, events
from feature_store.runs.maintenance import (
    compact_files,
    expire_slices,
    expire_versions,
    pinned_versions,
    restorable_events,
    vacuum_files,
)
from feature_store.tables.features import FEAT_HTCL_AUDIO, FEAT_TRACK_HTCL
from feature_store.tables.graph import GRAPH_TRACK_BY_ARTIST
from feature_store.tables.raw import RAW_FEEDBACK, RAW_TAGS, RAW_TRACKS
from feature_store.tables.recommendations import REC_CHANGES
from feature_store.tables.runs import RUN_MODELS
from tests.feature_store.lake.sample_rows import changes

MARCH_1 = date(2026, 3, 1)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def write(lake, day, track):
    """A slice of rec_changes with one row, in one file."""
    rows = changes(day, track, run_id=f"run-{track}")
    return write_slice(lake, REC_CHANGES, rows, as_of=day)


def publish(lake, day, track, at, action="publish"):
    """Write a slice and append the event that pins it."""
    written = write(lake, day, track)
    current = current_event(events(lake))
    event = Event(
        event_number=0,
        replaces_event=current.event_number if current else None,
        action=action,
        run_id=f"run-{track}",
        as_of=day,
        actor="test",
        reason=None,
        tables=(
            Pin(REC_CHANGES.name, written.table_version, written.row_count, written.content_sha256),
        ),
        gates=(),
        inputs=(),
        model_versions=(),
        code_version="1",
        contract_version=contract_version(),
        recorded_at_utc=at,
    )
    return append_event(lake, event)


def tracks_of(lake, event):
    return Snapshot(lake, event).read(REC_CHANGES.name)["track_id"].to_pylist()


def data_files(lake):
    return {path.name for path in (Path(lake) / "tables" / REC_CHANGES.name).rglob("*.parquet")}


def test_vacuum_keeps_the_files_of_recent_and_current_runs_and_deletes_older_ones(
    settings,
):
    """Four writes of one day: the first is 60 days old, the second is current since 50 days."""
    lake = settings.lake
    oldest = publish(lake, MARCH_1, "oldest", NOON - timedelta(days=60))
    current = publish(lake, MARCH_1, "current", NOON - timedelta(days=50))
    staged = publish(lake, MARCH_1, "staged", NOON - timedelta(days=2), action="stage_only")
    write(lake, MARCH_1, "newest")

    counts = vacuum_files(settings, NOON, unpublished_hours=0)

    assert {count.table_name: count.count for count in counts}[REC_CHANGES.name] == 1
    assert tracks_of(lake, current) == ["current"]
    assert tracks_of(lake, staged) == ["staged"]
    assert read_table(lake, REC_CHANGES)["track_id"].to_pylist() == ["newest"]
    with pytest.raises(OSError, match="parquet"):
        tracks_of(lake, oldest)


def test_vacuum_keeps_files_that_a_running_night_may_have_open(settings):
    publish(settings.lake, MARCH_1, "current", NOON)
    write(settings.lake, MARCH_1, "first try")
    write(settings.lake, MARCH_1, "second try")
    before = data_files(settings.lake)

    vacuum_files(settings, NOON)

    assert data_files(settings.lake) == before
    assert len(before) == 3


def test_vacuum_deletes_the_files_of_a_killed_writer(settings):
    publish(settings.lake, MARCH_1, "current", NOON)
    left = Path(settings.lake) / "tables" / REC_CHANGES.name / "as_of_date=2026-03-01" / "x.parquet"
    left.write_bytes(b"half a file")

    vacuum_files(settings, NOON, unpublished_hours=0)

    assert not left.exists()
    assert tracks_of(settings.lake, current_event(events(settings.lake))) == ["current"]


def test_a_run_restored_by_rollback_stays_restorable_while_it_is_current(settings):
    lake = settings.lake
    first = publish(lake, MARCH_1, "first", NOON - timedelta(days=90))
    second = publish(lake, MARCH_1, "second", NOON - timedelta(days=80))
    back = append_event(lake, _again(first, replaces=2, at=NOON - timedelta(days=70)))

    kept = restorable_events(events(lake), settings, NOON)

    assert kept == [second, back]
    assert first.tables[0].table_version in pinned_versions(kept, REC_CHANGES)


def test_the_last_publication_of_each_day_stays_restorable_while_its_slices_are_kept(settings):
    """A backfill of the next day compares with it; earlier publications of the day expire."""
    lake = settings.lake
    publish(lake, MARCH_1, "first", NOON - timedelta(days=90))
    last = publish(lake, MARCH_1, "last", NOON - timedelta(days=80))
    publish(lake, date(2025, 1, 24), "too old", NOON - timedelta(days=70))
    current = publish(lake, date(2026, 3, 2), "next day", NOON - timedelta(days=60))

    assert restorable_events(events(lake), settings, NOON) == [last, current]


def test_expiry_deletes_slices_older_than_the_setting_except_the_current_one(settings):
    """400 days before 1 March 2026 is 25 January 2025."""
    lake = settings.lake
    for day in (date(2024, 12, 31), date(2025, 1, 24), date(2025, 1, 25)):
        write(lake, day, day.isoformat())
    publish(lake, date(2025, 1, 1), "seen", NOON - timedelta(days=420))

    counts = expire_slices(settings, NOON)

    assert {count.table_name: count.count for count in counts}[REC_CHANGES.name] == 2
    assert set(read_table(lake, REC_CHANGES)["track_id"].to_pylist()) == {"seen", "2025-01-25"}


def test_the_history_of_runs_is_never_expired(settings):
    assert REC_CHANGES.layer == "rec"
    publish(settings.lake, date(2020, 1, 1), "old", NOON)

    assert "published_runs" not in {count.table_name for count in expire_slices(settings, NOON)}


def test_compaction_merges_files_and_changes_no_row_and_no_pinned_version(settings):
    from deltalake import write_deltalake

    two_files = settings.model_copy(
        update={"maintenance": settings.maintenance.model_copy(update={"max_files": 2})}
    )
    event = publish(settings.lake, MARCH_1, "t0", NOON)
    for track in ("t1", "t2"):
        extra = Snapshot(settings.lake, event).read(REC_CHANGES.name).to_pylist()
        rows = pa.Table.from_pylist(
            [extra[0] | {"track_id": track}], schema=REC_CHANGES.arrow_schema
        )
        write_deltalake(open_table(settings.lake, REC_CHANGES), rows, mode="append")

    [compacted] = compact_files(two_files, NOON)

    assert (compacted.table_name, compacted.count) == (REC_CHANGES.name, 3)
    assert len(open_table(settings.lake, REC_CHANGES).file_uris()) == 1
    assert read_table(settings.lake, REC_CHANGES)["track_id"].to_pylist() == ["t0", "t1", "t2"]
    assert tracks_of(settings.lake, event) == ["t0"]


def test_a_table_with_few_files_is_not_compacted(settings):
    publish(settings.lake, MARCH_1, "t0", NOON)
    version = open_table(settings.lake, REC_CHANGES).version()

    assert compact_files(settings, NOON) == ()
    assert open_table(settings.lake, REC_CHANGES).version() == version


def test_maintenance_creates_no_table(settings):
    for step in (expire_slices, expire_versions, compact_files, vacuum_files):
        assert step(settings, NOON) == ()
    assert not (Path(settings.lake) / "tables" / GRAPH_TRACK_BY_ARTIST.name).exists()


def _again(event, *, replaces, at):
    from dataclasses import replace

    return replace(event, action="rollback", replaces_event=replaces, recorded_at_utc=at)


def test_raw_rows_about_listeners_expire_except_those_of_the_newest_day(settings):
    """A night reads from the newest day which days are ingested, and looks back 30 days."""
    kept_days = settings.maintenance.model_copy(update={"raw_days": 40})
    short = settings.model_copy(update={"maintenance": kept_days})
    for table in (RAW_TAGS, RAW_TRACKS):
        for days in (41, 40):
            _arrived(settings.lake, table, NOON.date() - timedelta(days=days))
    _arrived(settings.lake, RAW_FEEDBACK, NOON.date() - timedelta(days=99))

    deleted = {count.table_name: count.count for count in expire_slices(short, NOON)}

    assert (deleted["raw_tags"], deleted["raw_feedback"]) == (1, 0)
    assert read_table(settings.lake, RAW_TAGS).num_rows == 1
    assert read_table(settings.lake, RAW_FEEDBACK).num_rows == 1
    assert read_table(settings.lake, RAW_TRACKS).num_rows == 2


def _vectors(lake, *versions):
    """A recording's vector by each version, in two files of one row."""
    for version in versions:
        for name in ("a" * 64, "b" * 64):
            row = {
                "content_hash": name, "family": "htcl", "model_version": version,
                "audio_vector": [0.5] * 100,
            }  # fmt: skip
            rows = pa.Table.from_pylist([row], schema=FEAT_HTCL_AUDIO.arrow_schema)
            append(lake, FEAT_HTCL_AUDIO, rows)


def _counted(lake, day, version):
    """A slice of feat_track_htcl, of one track."""
    row = {
        "as_of_date": day, "track_id": "t", "audio_hash": "a" * 64, "text_sha256": None,
        "vector_kind": "audio", "track_vector": [0.5] * 100, "family": "htcl",
        "model_version": version, "run_id": "r",
    }  # fmt: skip
    rows = pa.Table.from_pylist([row], schema=FEAT_TRACK_HTCL.arrow_schema)
    write_slice(lake, FEAT_TRACK_HTCL, rows, as_of=day)


def _trained(lake, version, day):
    """A row of run_models, of a model that was last checked on a day."""
    fill = {pa.string(): "x", pa.date32(): day}
    row = {field.name: fill.get(field.type, NOON) for field in RUN_MODELS.arrow_schema}
    row |= {
        "training_task": "audio_text", "family": "htcl", "model_version": version,
        "model_role": "champion", "upstream_versions": [],
    }  # fmt: skip
    append(lake, RUN_MODELS, pa.Table.from_pylist([row], schema=RUN_MODELS.arrow_schema))


def _versions(lake):
    return sorted(read_table(lake, FEAT_HTCL_AUDIO)["model_version"].to_pylist())


def test_vectors_stay_while_a_kept_slice_or_a_usable_model_needs_their_version(settings):
    """400 days of slices reach to 25 January 2025, and models of 7 days before may count on it.

    v1 counted on a day whose slice has expired, v2 on one whose slice is kept. v3 counted never: a
    model checked on 18 January 2025 could still count on the 25th. v4 was checked a day too early.
    v5 is tonight's, of which no slice is there yet; v6 has no model at all.
    """
    lake = settings.lake
    _vectors(lake, "v1", "v2", "v3", "v4", "v5", "v6")
    _counted(lake, date(2025, 1, 24), "v1")
    _counted(lake, date(2025, 1, 25), "v2")
    for version, day in (
        ("v1", date(2025, 1, 10)),
        ("v2", date(2025, 1, 10)),
        ("v3", date(2025, 1, 18)),
        ("v4", date(2025, 1, 17)),
        ("v5", MARCH_1),
    ):
        _trained(lake, version, day)

    expire_slices(settings, NOON)
    deleted = expire_versions(settings, NOON)

    assert {count.table_name: count.count for count in deleted} == {FEAT_HTCL_AUDIO.name: 6}
    assert _versions(lake) == ["v2", "v2", "v3", "v3", "v5", "v5"]
    assert read_table(lake, RUN_MODELS).num_rows == 5  # the history of runs stays
    version = open_table(lake, FEAT_HTCL_AUDIO).version()
    assert [count.count for count in expire_versions(settings, NOON)] == [0]
    assert open_table(lake, FEAT_HTCL_AUDIO).version() == version


def test_files_of_expired_vectors_go_when_no_reader_can_have_them_open(settings):
    """A night that reads meanwhile keeps its files for a week; then they are deleted."""
    lake = settings.lake
    _vectors(lake, "v1", "v2")
    _counted(lake, MARCH_1, "v2")
    expire_versions(settings, NOON)

    kept = {count.table_name: count.count for count in vacuum_files(settings, NOON)}
    later = vacuum_files(settings, NOON, unpublished_hours=0)

    assert kept[FEAT_HTCL_AUDIO.name] == 0
    assert {count.table_name: count.count for count in later}[FEAT_HTCL_AUDIO.name] == 2
    assert _versions(lake) == ["v2", "v2"]


def _arrived(lake, table, day):
    """Append a row of a raw table with the minimum that its contract requires."""
    fill = {pa.string(): "x", pa.int64(): 1, pa.int32(): 1, pa.bool_(): True, pa.binary(): b"x"}
    row = {
        field.name: day if field.name == "arrival_date" else fill.get(field.type, NOON)
        for field in table.arrow_schema
    }
    append(
        lake,
        table,
        pa.Table.from_pylist([row | _ALLOWED.get(table.name, {})], schema=table.arrow_schema),
    )


_ALLOWED = {"raw_feedback": {"feedback_action": "like"}}
