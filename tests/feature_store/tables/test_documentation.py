"""The committed documentation is what the contracts say."""

from __future__ import annotations

from pathlib import Path

from feature_store.tables import TABLES
from feature_store.tables.documentation import tables_as_markdown

COMMITTED = Path(__file__).parents[3] / "feature_store" / "TABLES.md"


def test_the_committed_documentation_is_rendered_from_the_contracts():
    """Run `python -m feature_store.tables.documentation > feature_store/TABLES.md` when this fails."""
    assert COMMITTED.read_text() == tables_as_markdown()


def test_every_table_is_documented():
    text = tables_as_markdown()

    assert [name for name in TABLES if f"### {name}\n" not in text] == []
