"""Renders templates as pages that need no other file: styles and scripts are inside."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from jobs.report.formatting import FILTERS

_TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, **values: object) -> str:
    """Render a template of the templates folder as HTML; every value is escaped.

    Args:
        template: the name of its file.
        values: what it names, besides `style` and `script`.
    """
    # autoescape=True for every template: Jinja's choice by file name does not know ".j2".
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS)
    return environment.get_template(template).render(
        **values, style=_asset("report.css"), script=_asset("report.js")
    )


def _asset(name: str) -> Markup:
    """Read a file of the templates folder as markup that needs no escaping."""
    return Markup((_TEMPLATES / name).read_text(encoding="utf-8"))  # noqa: S704  never from outside
