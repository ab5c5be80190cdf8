"""Closing of landing days, so that every re-run and backfill reads the same files."""

from __future__ import annotations

import structlog

from feature_store.lake.storage import open_storage
from feature_store.privacy.suppression import erasure_guard, load_suppression_list
from feature_store.settings import Night
from jobs.landing.erasure import remove_suppressed
from jobs.landing.manifests import close_days

LOG = structlog.get_logger()


def close_landing(night: Night) -> int:
    """Write a manifest for every open day up to as_of; returns how many days were closed.

    Rows of erased people are removed from new landing files before any job reads them.

    Raises:
        LandingError: nothing has arrived at all, or a file lies outside the layout.
        PrivacyKeyMissing: the suppression list has entries, and the key is missing.
    """
    erasure_guard(night.settings.lake)  # waits for an erasure in progress; nothing to check later
    storage = open_storage(night.settings.lake)
    erased_people = load_suppression_list(night.settings)
    scanned_sizes = None
    if erased_people:
        erasure, scanned_sizes = remove_suppressed(storage, erased_people)
        LOG.info("removed erased people", rows=erasure.rows, files=erasure.files)
    closed = close_days(storage, night.as_of, scanned_sizes)
    LOG.info("closed landing days", as_of=night.as_of.isoformat(), days=len(closed))
    return len(closed)
