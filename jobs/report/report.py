"""Write the report of a run: one self-contained HTML page about what the night did.

The browser loads nothing: styles, charts, covers and audio excerpts are inside the file.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

import structlog

from feature_store.lake.storage import open_storage
from feature_store.privacy.suppression import erasure_guard
from jobs.report.collect import ReportContent, collect
from jobs.report.rendering import render

if TYPE_CHECKING:
    from feature_store.settings import Night

LOG = structlog.get_logger()

_TEMPLATE = "report.html.j2"


def write_report(night: Night, *, now: datetime) -> str:
    """Write the page of a run; returns its path in the lake, reports/<as_of>/<run_id>.html.

    Args:
        night: the run; its publication event, if any, pins the versions of the published tables.
        now: time of writing, shown in the footer.
    """
    check_no_erasure = erasure_guard(night.settings.lake)
    page = render_report(collect(night), now=now)
    # Airflow's run ids hold ":" and "+", which file names may hold too; a "/" would make a folder.
    path = f"reports/{night.as_of:%Y-%m-%d}/{quote(night.run_id, safe=':+')}.html"
    content = page.encode()
    check_no_erasure()
    open_storage(night.settings.lake).write(path, content)
    LOG.info("wrote report", path=path, as_of=night.as_of.isoformat(), byte_count=len(content))
    return path


def render_report(content: ReportContent, *, now: datetime) -> str:
    """Render the page as HTML; every value from the tables is escaped."""
    return render(_TEMPLATE, report=content, now=now)
