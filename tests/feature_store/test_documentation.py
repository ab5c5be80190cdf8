"""The committed documentation is what the contracts say."""

from __future__ import annotations

from pathlib import Path

from feature_store.documentation import tables_as_markdown
from feature_store.tables import TABLES

COMMITTED = Path(__file__).parents[2] / "feature_store" / "TABLES.md"


def test_the_committed_documentation_is_rendered_from_the_contracts():
    """Run `python -m feature_store.documentation > feature_store/TABLES.md` when this fails."""
    assert COMMITTED.read_text() == tables_as_markdown()


def test_every_table_is_documented():
    text = tables_as_markdown()

    assert [name for name in TABLES if f"### {name}\n" not in text] == []
