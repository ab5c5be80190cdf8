"""Close the landing days of a night, so that every re-run and backfill reads the same files."""

from __future__ import annotations

import structlog

from feature_store.lake.storage import open_storage
from feature_store.privacy.suppression import suppressed, unchanged_people
from feature_store.settings import Night
from jobs.landing.manifests import close_days
from jobs.privacy.landing import keep_out

LOG = structlog.get_logger()


def close_landing(night: Night) -> int:
    """Write the manifests of all days up to as_of that have none; returns how many were closed.

    Rows of people who were erased are removed from what landed before anything reads it.

    Raises:
        LandingError: nothing has arrived at all, or a file lies where nothing would read it.
        PrivacyKeyMissing: people are suppressed, and the key is not here.
    """
    unchanged_people(night.settings.lake)
    storage = open_storage(night.settings.lake)
    nobody = suppressed(night.settings)
    looked_at = None
    if nobody:
        kept_out, looked_at = keep_out(storage, nobody)
        LOG.info("kept erased people out", rows=kept_out.rows, files=kept_out.files)
    closed = close_days(storage, night.as_of, looked_at)
    LOG.info("closed landing days", as_of=night.as_of.isoformat(), days=len(closed))
    return len(closed)
