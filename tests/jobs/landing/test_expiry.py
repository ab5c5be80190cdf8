"""Expiry deletes old landing files, and their days stay closed."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

from feature_store.lake.storage import open_storage
from jobs.landing.expiry import expire_landing
from jobs.landing.layout import LandingError
from jobs.landing.manifests import arrived_files, close_days, read_manifest
from jobs.landing.writer import LandingWriter

FEBRUARY_1, FEBRUARY_28 = date(2026, 2, 1), date(2026, 2, 28)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def storage(settings):
    """Two landing days, 28 and 1 day before NOON, both closed."""
    storage = open_storage(settings.lake)
    for day in (FEBRUARY_1, FEBRUARY_28):
        LandingWriter(storage).write_rows("tags", day, pa.table({"track_id": ["t1"]}))
    close_days(storage, FEBRUARY_28)
    return storage


def with_landing_days(settings, days):
    maintenance = settings.maintenance.model_copy(update={"landing_days": days})
    return settings.model_copy(update={"maintenance": maintenance})


def test_without_the_setting_every_landing_file_stays(settings, storage):
    assert expire_landing(settings, NOON) == 0
    assert len(arrived_files(storage, "tags", [FEBRUARY_1, FEBRUARY_28])) == 2


@pytest.mark.parametrize(("days", "deleted"), [(27, 1), (28, 0), (1, 1)])
def test_files_of_days_before_the_setting_go(days, deleted, settings, storage):
    """1 February is 28 days before 1 March; no file of 28 February is old enough."""
    assert expire_landing(with_landing_days(settings, days), NOON) == deleted
    assert len(arrived_files(storage, "tags", [FEBRUARY_28])) == 1


def test_an_expired_day_stays_closed_and_names_its_file_when_it_is_read(settings, storage):
    expire_landing(with_landing_days(settings, 27), NOON)

    assert len(read_manifest(storage, FEBRUARY_1).files) == 1
    with pytest.raises(LandingError, match=r"tags/2026-02-01/part-0.parquet is gone"):
        arrived_files(storage, "tags", [FEBRUARY_1])


def test_a_second_run_deletes_nothing(settings, storage):
    runs = [expire_landing(with_landing_days(settings, 27), NOON) for _ in range(2)]

    assert runs == [1, 0]


def test_audio_and_covers_stay_because_another_encoder_reads_them_again(settings):
    """No table holds their bytes; a row file of the same day goes."""
    storage = open_storage(settings.lake)
    kept = {f"landing/audio/{FEBRUARY_1}/t1.flac", f"landing/covers/{FEBRUARY_1}/t1.png"}
    for path in kept:
        storage.write(path, b"bytes")
    LandingWriter(storage).write_rows("tags", FEBRUARY_1, pa.table({"track_id": ["t1"]}))
    close_days(storage, FEBRUARY_1)

    assert expire_landing(with_landing_days(settings, 1), NOON) == 1
    assert {found.path for found in storage.list("landing/") if "_" not in found.path} == kept
