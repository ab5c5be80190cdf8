"""Several audio files or covers of one track on one day: the one that landed last counts."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, timedelta

import pytest

from feature_store.lake.storage import open_storage, sha256_of
from feature_store.tables.core import CORE_TRACKS
from feature_store.tables.raw import RAW_AUDIO, RAW_COVERS, RAW_LYRICS, RAW_TRACKS
from jobs.core import tracks
from jobs.inputs import Slice
from jobs.landing.manifests import close_days
from jobs.raw.steps.reading import read_landing
from tests.jobs.core.frames import frame
from tests.support.log_capture import captured_log

FEB_28, FEB_29 = date(2024, 2, 28), date(2024, 2, 29)
LOG = "jobs.raw.steps.file_hashes.LOG"
NOON = datetime(2024, 2, 29, 12, tzinfo=UTC)
HYMN = ("hymn", "Hymn", "choir", "Choir", True, FEB_28, "a", 0)


def land(storage, path, minute):
    storage.write(f"landing/covers/{path}", path.encode())
    landed_at = (NOON + timedelta(minutes=minute)).timestamp()
    os.utime(storage.root / "landing/covers" / path, (landed_at, landed_at))


CASES = {
    "png, then jpg": ([("2024-02-29/hymn.png", 0), ("2024-02-29/hymn.jpg", 1)], "2024-02-29/hymn.jpg"),
    "jpg, then png": ([("2024-02-29/hymn.jpg", 0), ("2024-02-29/hymn.png", 1)], "2024-02-29/hymn.png"),
    "both at once: the last name": ([("2024-02-29/hymn.jpg", 0), ("2024-02-29/hymn.png", 0)], "2024-02-29/hymn.png"),
    "a numbered one at once": ([("2024-02-29/hymn.jpg", 0), ("2024-02-29/hymn.jpg_0002", 0)], "2024-02-29/hymn.jpg_0002"),
    "three": ([("2024-02-29/hymn.webp", 0), ("2024-02-29/hymn.gif", 2), ("2024-02-29/hymn.jpg", 1)], "2024-02-29/hymn.gif"),
    "a late one of the day before": ([("2024-02-29/hymn.jpg", 0), ("2024-02-28/hymn.png", 1)], "2024-02-29/hymn.jpg"),
}  # fmt: skip


@pytest.mark.parametrize(("files", "counts"), CASES.values(), ids=CASES)
def test_the_file_that_landed_last_counts_and_the_others_are_named(
    spark, night, settings, monkeypatch, files, counts
):
    """All stay in raw_covers; the order is that of the manifest, so a re-run gives the same."""
    storage = open_storage(settings.lake)
    storage.write("landing/covers/2024-02-28/other.png", b"another track's")
    close_days(storage, FEB_28)
    for path, minute in files:
        land(storage, path, minute)
    close_days(storage, FEB_29)

    logs = captured_log(monkeypatch, LOG)
    landed = read_landing(spark, settings.lake, "covers", Slice(FEB_29, date(2024, 3, 1)))
    built = tracks.build(
        frame(
            spark,
            RAW_TRACKS,
            "track_id title artist_id artist_name is_available arrival_date source_file source_row",
            HYMN,
        ),
        frame(spark, RAW_AUDIO, "track_id"),
        frame(spark, RAW_LYRICS, "track_id"),
        landed.select(*RAW_COVERS.column_names),
        frame(spark, CORE_TRACKS, "track_id"),
        night=night,
    )

    assert landed.count() == len(files)
    newest = max(built.collect(), key=lambda row: row.known_from_date)
    assert newest.cover_uri == f"landing/covers/{counts}"
    assert newest.cover_hash == sha256_of(counts.encode())
    [warning] = [log for log in logs if log["log_level"] == "warning"]
    assert warning["counts"] == newest.cover_uri
    assert len(warning["others"]) == len(files) - 1


def test_one_file_of_a_track_is_no_warning(spark, settings, monkeypatch):
    storage = open_storage(settings.lake)
    land(storage, "2024-02-29/hymn.png", 0)
    land(storage, "2024-02-29/other.jpg", 1)
    close_days(storage, FEB_29)

    logs = captured_log(monkeypatch, LOG)
    landed = read_landing(spark, settings.lake, "covers", Slice(FEB_29, date(2024, 3, 1)))

    assert {row.source_row for row in landed.collect()} == {0}
    assert logs == []


def test_a_cover_that_changed_after_its_day_was_closed_arrives_again(spark, settings):
    """Days that are read together have it once, with the bytes that are there."""
    storage = open_storage(settings.lake)
    storage.write("landing/covers/2024-02-28/hymn.png", b"half")
    close_days(storage, FEB_28)
    storage.write("landing/covers/2024-02-28/hymn.png", b"half and half")
    close_days(storage, FEB_29)

    landed = read_landing(spark, settings.lake, "covers", Slice(FEB_28, date(2024, 3, 1)))

    [row] = landed.collect()
    assert (row.arrival_date, row.byte_count) == (FEB_29, 13)
    assert row.content_hash == sha256_of(b"half and half")
