"""Close the landing days of a night, so that every re-run and backfill reads the same files."""

from __future__ import annotations

import structlog

from feature_store.settings import Night
from feature_store.storage import open_storage
from jobs.landing import close_days

LOG = structlog.get_logger()


def close_landing(night: Night) -> int:
    """Write the manifests of all days up to as_of that have none; returns how many were closed.

    Raises:
        LandingError: nothing has arrived at all, or a file lies where nothing would read it.
    """
    closed = close_days(open_storage(night.settings.lake), night.as_of)
    LOG.info("closed landing days", as_of=night.as_of.isoformat(), days=len(closed))
    return len(closed)
