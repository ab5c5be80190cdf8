"""Closing of landing days, so that every re-run and backfill reads the same files."""

from __future__ import annotations

from datetime import UTC, datetime

import structlog

from feature_store.as_of import check_as_of, newest_as_of
from feature_store.lake.storage import open_storage
from feature_store.privacy.suppression import erasure_guard, load_suppression_list
from feature_store.settings import Night
from jobs.landing.erasure import remove_suppressed
from jobs.landing.manifests import close_days, read_manifest
from jobs.landing.unfinished import unfinished_files

LOG = structlog.get_logger()


def close_landing(night: Night, *, now: datetime | None = None) -> int:
    """Write a manifest for every open day up to as_of; returns how many days were closed.

    Rows of erased people are removed from new landing files before any job reads them. Files that
    count for no day are named in the log and in the manifest of as_of.

    Args:
        night: the day and the settings.
        now: the time, by the caller's clock or else by this machine's.

    Raises:
        DayAhead: the night's day is later than tomorrow: it would close days that still fill.
        LandingError: nothing has arrived at all.
        PrivacyKeyMissing: the suppression list has entries, and the key is missing.
        ErasedDuringRun: a person was erased while files were searched; no day was closed.
    """
    clock = now or datetime.now(UTC)
    check_as_of(night.as_of, clock)
    check_no_erasure = erasure_guard(night.settings.lake)
    storage = open_storage(night.settings.lake)
    erased_people = load_suppression_list(night.settings)
    scanned_sizes = None
    if erased_people:
        erasure, scanned_sizes = remove_suppressed(storage, erased_people)
        LOG.info("removed erased people", rows=erasure.rows, files=erasure.files)
    left_open = unfinished_files(storage, clock, night.settings.landing.settle_s)
    # Who was erased since the list was read is missing in it: the files may name that person again.
    check_no_erasure()
    closed = close_days(
        storage,
        night.as_of,
        scanned_sizes,
        left_open,
        first=night.settings.landing.earliest_date,
        last=newest_as_of(clock),
    )
    for one in read_manifest(storage, closed[-1]).not_taken if closed else ():
        LOG.warning("not taken", path=one.path, reason=one.reason)
    LOG.info("closed landing days", as_of=night.as_of.isoformat(), days=len(closed))
    return len(closed)
