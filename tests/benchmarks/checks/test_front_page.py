"""The front page shows the recorded figures and no others."""

from __future__ import annotations

import pytest

from tests.benchmarks.support.front_page import FRONT_PAGE, recorded_table, render_front_page


def test_the_front_page_shows_the_recorded_figures():
    """The benchmarks demo and social render the page when they record."""
    assert FRONT_PAGE.read_text(encoding="utf-8") == render_front_page()


def test_a_section_gives_its_machine_and_its_rows():
    text = "## Other\n\nx\n\n## A\n\n`cmd` · 2026-01-01 · 2 cores, 24 GiB\n\n| a | b |\n|---|---|\n| x | 1 |\n"

    assert recorded_table("A", text) == ("2 cores, 24 GiB", {"x": {"b": "1"}})
    with pytest.raises(LookupError, match="no section 'B'"):
        recorded_table("B", text)
