"""A job holds exclusive_write on its tables from reading its inputs to the last commit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pyarrow as pa
import pytest

from feature_store.lake import spark_io
from feature_store.lake.arrow_io import read_table
from feature_store.lake.delta_tables import open_table
from feature_store.lake.storage import open_storage, sha256_of
from feature_store.tables.core import CORE_TRACKS
from feature_store.tables.features import FEAT_AUDIO, FEAT_LYRICS, FEAT_MEL
from feature_store.tables.raw import RAW_LYRICS, RAW_USERS
from feature_store.tables.runs import RUN_METRICS
from jobs.landing.layout import LandingError
from jobs.landing.manifests import close_days
from jobs.landing.writer import LandingWriter
from jobs.run import run_job
from tests.jobs.features.worlds import frame, put, tone, tracks

LYRICS_WITHOUT_WORDS = "♪ ♪"


def test_two_concurrent_nights_encode_new_lyrics_once(spark, night):
    """Both nights lack the lyrics; the second reads again after the first has written."""
    content_hash = sha256_of(LYRICS_WITHOUT_WORDS.encode())
    arrived = {
        "track_id": "t0",
        "lyrics_text": LYRICS_WITHOUT_WORDS,
        "content_hash": content_hash,
        "source_file": "landing/lyrics/part-0.parquet",
        "source_row": 0,
        "arrival_date": night.as_of,
    }
    _write(tracks(spark, night, {"lyrics_hash": content_hash}), CORE_TRACKS, night)
    _write(frame(spark, RAW_LYRICS, [arrived]), RAW_LYRICS, night)
    nights = [night, replace(night, run_id="backfill")]

    with ThreadPoolExecutor(2) as pool:
        written = list(pool.map(lambda each: run_job("feat_lyrics", each, spark), nights))

    assert sorted(each.row_count for each in written) == [0, 1]
    found = read_table(night.settings.lake, FEAT_LYRICS)
    assert found["content_hash"].to_pylist() == [content_hash]


def test_a_service_without_rejects_reads_each_landing_day_once(spark, night):
    """The landing file of the first day has expired; a table without a row needs it no more."""
    storage = open_storage(night.settings.lake)
    path = LandingWriter(storage).write_rows(
        "users", night.as_of, pa.table({"user_id": ["ada"], "is_opted_out": [False]})
    )
    close_days(storage, night.as_of)
    for name in ("raw_users", "raw_tracks"):
        run_job(name, night, spark)
    storage.delete(path)
    next_night = replace(night, as_of=night.as_of + timedelta(days=1))
    close_days(storage, next_night.as_of)

    written = [run_job(name, next_night, spark) for name in ("raw_users", "raw_tracks")]

    assert [each.row_count for each in written] == [0, 0]
    assert read_table(night.settings.lake, RAW_USERS)["user_id"].to_pylist() == ["ada"]
    with pytest.raises(LandingError, match=f"{path} is gone"):
        run_job("raw_users", night, spark)


@pytest.fixture
def a_recording(spark, night):
    """A catalogue of one track with audio."""
    audio_hash = put(night, "landing/audio/a.wav", tone(440))
    catalogue = {"audio_hash": audio_hash, "audio_uri": "landing/audio/a.wav"}
    _write(tracks(spark, night, catalogue), CORE_TRACKS, night)
    return audio_hash


def test_a_job_of_two_tables_writes_both_and_then_neither(spark, night, a_recording):
    written = [run_job("feat_audio", night, spark).row_count for _ in range(2)]

    assert written == [1, 0]
    for table in (FEAT_AUDIO, FEAT_MEL):
        assert read_table(night.settings.lake, table)["content_hash"].to_pylist() == [a_recording]
    tasks = read_table(night.settings.lake, RUN_METRICS).to_pylist()
    assert sorted((row["task"], row["row_count"]) for row in tasks) == [
        ("feat_audio", 0), ("feat_audio", 1), ("feat_mel", 0), ("feat_mel", 1)
    ]  # fmt: skip


def test_a_job_that_stops_between_its_commits_writes_what_is_missing(
    spark, night, a_recording, monkeypatch
):
    write = spark_io.write

    def fail_at_second(frame, lake, table, **options):
        if table is FEAT_MEL:
            raise ConnectionError("the store is away")
        return write(frame, lake, table, **options)

    monkeypatch.setattr(spark_io, "write", fail_at_second)
    with pytest.raises(ConnectionError):
        run_job("feat_audio", night, spark)
    monkeypatch.undo()
    assert read_table(night.settings.lake, FEAT_MEL).num_rows == 0

    run_job("feat_audio", night, spark)

    for table in (FEAT_AUDIO, FEAT_MEL):
        assert read_table(night.settings.lake, table)["content_hash"].to_pylist() == [a_recording]
    assert _rows_kept_on_disk(spark) == 0


@pytest.fixture
def five_recordings(spark, night):
    """Five recordings in the catalogue; gives a night that commits at most two at a time."""
    catalogue = []
    for number in range(5):
        path = f"landing/audio/{number}.wav"
        audio_hash = put(night, path, tone(300 + 20 * number))
        catalogue.append({"track_id": f"t{number}", "audio_hash": audio_hash, "audio_uri": path})
    _write(tracks(spark, night, *catalogue), CORE_TRACKS, night)
    encoders = night.settings.encoders.model_copy(update={"contents_per_commit": 2})
    return replace(night, settings=night.settings.model_copy(update={"encoders": encoders}))


def test_new_content_is_committed_in_portions_and_recorded_as_one_task(spark, five_recordings):
    lake = five_recordings.settings.lake

    written = run_job("feat_audio", five_recordings, spark)

    found = read_table(lake, FEAT_AUDIO)
    assert (written.row_count, len(set(found["content_hash"].to_pylist()))) == (5, 5)
    assert open_table(lake, FEAT_AUDIO).version() == written.table_version > 1
    commits = [one["operation"] for one in open_table(lake, FEAT_AUDIO).history()]
    assert commits.count("WRITE") > 1
    of_audio = [
        (row["row_count"], row["table_version"], row["content_sha256"])
        for row in read_table(lake, RUN_METRICS).to_pylist()
        if row["task"] == "feat_audio"
    ]
    assert of_audio == [(5, written.table_version, written.content_sha256)]


def test_a_task_that_is_stopped_keeps_the_portions_before(spark, five_recordings, monkeypatch):
    """The second portion fails; the next try encodes what is left, once."""
    lake, writes = five_recordings.settings.lake, []
    write = spark_io.write

    def fail_in_second_portion(frame, lake, table, **options):
        if len(writes) == 2:
            raise ConnectionError("the store is away")
        writes.append(write(frame, lake, table, **options))
        return writes[-1]

    monkeypatch.setattr(spark_io, "write", fail_in_second_portion)
    with pytest.raises(ConnectionError):
        run_job("feat_audio", five_recordings, spark)
    monkeypatch.undo()
    kept = read_table(lake, FEAT_AUDIO)["content_hash"].to_pylist()
    assert 0 < len(kept) < 5

    assert run_job("feat_audio", five_recordings, spark).row_count == 5 - len(kept)

    for table in (FEAT_AUDIO, FEAT_MEL):
        hashes = read_table(lake, table)["content_hash"].to_pylist()
        assert (len(hashes), len(set(hashes))) == (5, 5)
    assert _rows_kept_on_disk(spark) == 0


def _rows_kept_on_disk(spark):
    """Number of frames that the runner keeps; what Delta keeps of its log is in memory, too."""
    kept = spark.sparkContext._jsc.getPersistentRDDs().values()
    return sum(not rdd.getStorageLevel().useMemory() for rdd in kept)


def _write(rows, table, night):
    end = night.as_of + timedelta(days=1)
    spark_io.write(rows, night.settings.lake, table, first=night.as_of, end=end)
