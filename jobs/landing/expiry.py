"""Expiry of landing files: the retention time after which the raw_ tables alone keep the rows.

Audio files and covers stay: no table holds their bytes, and another encoder reads them again.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from feature_store.lake.storage import open_storage
from feature_store.settings import Settings
from jobs.landing.layout import ROW_SOURCES
from jobs.landing.manifests import closed_days, read_manifest

LOG = structlog.get_logger()


def expire_landing(settings: Settings, now: datetime) -> int:
    """Delete row files of closed days before `maintenance.landing_days`; returns how many.

    The manifests stay, so an expired day differs from a day on which nothing arrived: a job that
    needs an expired file again fails and names the file.
    """
    if settings.maintenance.landing_days is None:
        LOG.info("maintained", step="expired landing files", total=0, kept="all")
        return 0
    oldest = now.date() - timedelta(days=settings.maintenance.landing_days)
    storage = open_storage(settings.lake)
    expired = [
        file.path
        for day in closed_days(storage)
        if day < oldest
        for file in read_manifest(storage, day).files
        if file.source in ROW_SOURCES and storage.exists(file.path)
    ]
    for path in expired:
        storage.delete(path)
    LOG.info("maintained", step="expired landing files", total=len(expired))
    return len(expired)
