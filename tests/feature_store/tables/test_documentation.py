"""The committed documentation is what the contracts say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from feature_store.tables import TABLES
from feature_store.tables.documentation import tables_as_markdown

COMMITTED = Path(__file__).parents[3] / "feature_store" / "TABLES.md"


def test_the_committed_documentation_is_rendered_from_the_contracts():
    """Run `python -m feature_store.tables.documentation > feature_store/TABLES.md` when this fails."""
    assert COMMITTED.read_text() == tables_as_markdown()


def test_every_table_is_documented():
    text = tables_as_markdown()

    assert [name for name in TABLES if f"### {name}\n" not in text] == []


@pytest.mark.parametrize(
    ("table", "lacking"),
    [
        ("feat_audio", "embedding"),
        ("feat_mel", "spectrogram"),
        ("feat_lyrics", "embedding"),
        ("feat_cover", "embedding"),
        ("feat_tags", "embedding"),
        ("feat_semantics", "attributes"),
    ],
)
def test_a_failure_reason_says_what_the_row_lacks_in_its_table(table, lacking):
    """Neither a spectrogram nor a model's answer is an embedding."""
    [meaning] = [each.meaning for each in TABLES[table].columns if each.name == "failure_reason"]
    general, _, exceptions = meaning.partition(";")

    named = dict(re.findall(r"in (feat_\w+) no (\w+)", exceptions))
    assert named.get(table, "embedding" if "no embedding" in general else None) == lacking
