"""One self-contained page for each run: what a night did, in words, figures, pictures and sound.

Nothing is loaded when it is viewed: styles, charts, covers and excerpts are inside the file.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import structlog
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from feature_store.lake.storage import open_storage
from feature_store.privacy.suppression import unchanged_people
from jobs.report.collect import Contents, collect
from jobs.report.formatting import FILTERS

if TYPE_CHECKING:
    from feature_store.settings import Night

LOG = structlog.get_logger()

_TEMPLATES = Path(__file__).parent / "templates"
_TEMPLATE = "report.html.j2"


def write_report(night: Night, *, now: datetime) -> str:
    """Write the page of a run; returns its path in the lake, reports/<as_of>/<run_id>.html.

    Args:
        night: the run; its event, if any, says at which versions published tables are read.
        now: when the page is written; it says so at its end.
    """
    refuse_old_people = unchanged_people(night.settings.lake)
    page = rendered(collect(night), now=now)
    # Airflow's run ids hold ":" and "+", which file names may; a "/" would make a folder.
    path = f"reports/{night.as_of:%Y-%m-%d}/{quote(night.run_id, safe=':+')}.html"
    content = page.encode()
    refuse_old_people()
    open_storage(night.settings.lake).write(path, content)
    LOG.info("wrote report", path=path, as_of=night.as_of.isoformat(), byte_count=len(content))
    return path


def rendered(contents: Contents, *, now: datetime) -> str:
    """The page as HTML; every value from the tables is escaped."""
    # autoescape=True and not by file name: ours end in .j2, and titles come from outside.
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS)
    return environment.get_template(_TEMPLATE).render(
        night=contents, now=now, style=_own("report.css"), script=_own("report.js")
    )


def _own(name: str) -> Markup:
    """A file of ours, which is markup and not a value."""
    return Markup((_TEMPLATES / name).read_text(encoding="utf-8"))  # noqa: S704  never from outside
